#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "operator/scrape/reading.hpp"

namespace ei::scrape {
namespace asio = boost::asio;

/// Asks one dispatcher for arrivals beyond those that are known, and waits for them: true once there are
/// some, false after `wait` without. See dispatcher/contract/arrivals.hpp. Errors: as http::Client::send, and
/// those that http::error_from_response makes of another status.
using AwaitArrivals = std::function<asio::awaitable<Result<bool>>(Awaited dispatcher, milliseconds wait)>;

/// Hears of the first request of a service without workers from the dispatcher that it came to, over one
/// connection to each dispatcher that says nothing meanwhile. What it misses (a dispatcher or a network that
/// does not answer) it reports as lost, so that whoever looks at the service by itself looks more often.
/// Use from the executor's thread only.
class ArrivalWatch {
 public:
  enum class News {
    Arrived,  ///< a request has come; that dispatcher is not asked any more
    Lost,     ///< a dispatcher that answered before does not any more; it is asked again, ever more seldom
  };
  using Tell = std::function<void(News)>;

  /// `ask` empty: by HTTP.
  ArrivalWatch(asio::any_io_executor executor, Tell tell, AwaitArrivals ask = {});
  ~ArrivalWatch();  ///< tells nothing any more
  ArrivalWatch(ArrivalWatch const&) = delete;
  ArrivalWatch& operator=(ArrivalWatch const&) = delete;

  /// Waits for arrivals at these. A question to one that is not among them any more is left to its end: a
  /// dispatcher that leaves may still take a request.
  void follow(std::vector<Awaited> const& dispatchers);

  /// Whether each of them is known to be listening. False right after follow().
  [[nodiscard]] bool stands() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ei::scrape
