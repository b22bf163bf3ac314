#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "runtime/http/client.hpp"

namespace ei::backend::local {
namespace asio = boost::asio;

/// Asks one process of this machine whether it is ready, as a kubelet's probe does.
class Readiness {
 public:
  /// While a process starts: its first answer may follow within this.
  static constexpr milliseconds kStartingPoll{25};
  /// Afterwards: what ends is noticed by its end, this is only for what hangs.
  static constexpr milliseconds kSteadyPoll{1'000};

  Readiness(asio::any_io_executor executor, http::Url origin);

  /// True when /readyz gives 200. A process that was ready and does not answer in time counts as ready until
  /// the third time in a row: one core may be busy for a while.
  [[nodiscard]] asio::awaitable<bool> ask();
  /// Whether it said last that it is ready and waits for its core.
  [[nodiscard]] bool standby() const { return standby_; }

 private:
  http::Client client_;
  bool ready_ = false;
  bool standby_ = false;
  int silent_ = 0;
};

}  // namespace ei::backend::local
