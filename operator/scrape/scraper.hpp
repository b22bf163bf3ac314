#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "operator/scrape/reading.hpp"
#include "runtime/http/client.hpp"

namespace ei::scrape {
namespace asio = boost::asio;

/// Asks one dispatcher for its metrics; gives the exposition. Errors: as http::Client::send, and those that
/// http::error_from_response makes of a status other than 200.
using Ask = std::function<asio::awaitable<Result<std::string>>(std::string url, milliseconds timeout)>;

/// Asks the dispatchers of one service for their metrics, over connections that are kept.
/// Use from the executor's thread only, one scrape at a time.
class Scraper {
 public:
  /// `ask` empty: by HTTP.
  explicit Scraper(asio::any_io_executor executor, Ask ask = {})
      : executor_(std::move(executor)), ask_(std::move(ask)) {}

  /// Every target within `deadline`, one after the other (a scrape takes a millisecond, and the first that
  /// fails makes the sum unusable). Fewer targets than `wanted` are no data either.
  [[nodiscard]] asio::awaitable<Scrape> scrape(std::vector<Target> targets, int wanted,
                                               milliseconds deadline);

 private:
  asio::awaitable<Result<std::string>> fetch(Target target, milliseconds timeout);
  void drop_clients_except(std::vector<Target> const& targets);

  asio::any_io_executor executor_;
  Ask ask_;
  std::map<std::string, http::Client> clients_;  ///< by URL
};

}  // namespace ei::scrape
