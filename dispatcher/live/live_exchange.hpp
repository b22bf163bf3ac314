// The exchange with a clock: what coroutines call.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "dispatcher/exchange/exchange.hpp"
#include "runtime/async/event.hpp"
#include "runtime/core/units.hpp"

namespace ei::dispatcher {
namespace asio = boost::asio;

/// Runs an Exchange on the real clock. Use from the executor's thread only;
/// must outlive every coroutine in ask().
class LiveExchange {
 public:
  LiveExchange(asio::any_io_executor executor, ExchangeOptions options);

  /// Queues the pictures and waits for their answers. `deadline` bounds the wait; the rest is as in
  /// Submission. When the calling coroutine is cancelled or destroyed, the pictures leave the queue at once.
  /// Errors: those of Exchange::submit() and of Submission::outcome; Error::http_status is set.
  [[nodiscard]] asio::awaitable<Result<std::vector<Answer>>> ask(std::vector<Work> pictures,
                                                                 bool probabilities, SteadyTime deadline,
                                                                 std::size_t top = 0, RequestTag tag = {});

  /// As in Exchange, at the present time.
  [[nodiscard]] Result<WorkerId> attach(link::Hello hello, WorkerPort port);
  [[nodiscard]] Result<void> ready(WorkerId worker);
  [[nodiscard]] Result<void> result(WorkerId worker, link::JobResult result);
  void standby(WorkerId worker);
  void bye(WorkerId worker);
  [[nodiscard]] Result<void> overrun(WorkerId worker, std::uint64_t job);
  void detach(WorkerId worker, Ended how);

  /// Waits until more requests have arrived than `known`, or any is open: true. False after `longest`. Who
  /// asks this starts a worker for the first request.
  /// Precondition: has_room_for_watcher().
  [[nodiscard]] asio::awaitable<bool> wait_arrivals(std::uint64_t known, milliseconds longest);
  /// Each takes one of the few connections that probes and scrapes need too.
  [[nodiscard]] bool has_room_for_watcher() const { return watchers_ < kMostWatchers; }
  /// The operator, the one that takes over from it, and people who look.
  static constexpr std::size_t kMostWatchers = 8;
  /// Whether a request would be computed though no worker is linked: somebody waits for the first one, or did
  /// within kWakes, and since then none has ended because no worker came.
  [[nodiscard]] bool sleeps() const;
  /// An image that is on its node starts within seconds; who is not back by then may not come any more.
  static constexpr milliseconds kWakes{60'000};

  /// Why no worker comes, as the operator knows it: clients are told of it for a moment.
  void explain_no_worker(std::string why) { exchange_.explain_no_worker(std::move(why), steady()); }

  /// Is not ready any more, but still takes what comes.
  void leave();
  [[nodiscard]] bool leaving() const { return leaving_ || exchange_.draining(); }
  /// Refuses what is new from now on.
  void drain();
  /// `changed` is called whenever leaving() or the workers' number may have changed.
  void on_readiness(std::function<void()> changed) { on_readiness_ = std::move(changed); }
  /// `told` hears of every request that was answered: its tag, when it arrived, and the answers.
  using OnAnswered = std::function<void(RequestTag const&, SteadyTime, std::vector<Answer> const&)>;
  void on_answered(OnAnswered told) { on_answered_ = std::move(told); }
  /// Refuses what is still open as well.
  void abort();
  /// Waits until nothing waits or is computed any more, or for `timeout`; true when nothing is left.
  [[nodiscard]] asio::awaitable<bool> wait_idle(milliseconds timeout);

  [[nodiscard]] Exchange const& exchange() const { return exchange_; }

 private:
  [[nodiscard]] static Time steady() { return std::chrono::steady_clock::now(); }
  void rearm();
  void readiness_changed() const;

  asio::any_io_executor executor_;
  Exchange exchange_;
  asio::steady_timer wake_;
  Event idle_;                   ///< nothing waits or is computed
  Event arrived_;                ///< a request has come
  std::size_t watchers_ = 0;     ///< in wait_arrivals()
  std::optional<Time> watched_;  ///< when the last of them left
  std::uint64_t unserved_ = 0;   ///< requests that no worker came for, when the last of them came
  Time armed_ = Time::max();
  bool leaving_ = false;
  std::function<void()> on_readiness_;
  OnAnswered on_answered_;
};

}  // namespace ei::dispatcher
