#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>
#include <string>

#include "runtime/core/units.hpp"

namespace ei {
namespace asio = boost::asio;

/// Background coroutines with one owner: each root catches once, and stop() leaves none behind.
/// Use from the executor's thread only.
class TaskGroup {
 public:
  /// `on_exception(name, what)` hears of a task that ended by an exception other than its cancellation.
  using OnException = std::function<void(std::string const& name, std::string const& what)>;
  TaskGroup(asio::any_io_executor executor, OnException on_exception);
  ~TaskGroup();  ///< cancels what still runs; does not wait

  /// Starts `task()`; the function object lives as long as its coroutine. `name` is for on_exception.
  void spawn(std::string name, std::function<asio::awaitable<void>()> task);

  /// Cancels every task (terminal) and waits until all have ended. Later spawns are ignored.
  [[nodiscard]] asio::awaitable<void> stop();

  /// Waits until every task has ended by itself, or `timeout`; true when none is left.
  [[nodiscard]] asio::awaitable<bool> wait(milliseconds timeout);

  [[nodiscard]] std::size_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Suspends for `duration`; ends early, by an exception, when the coroutine is cancelled.
[[nodiscard]] asio::awaitable<void> sleep_for(std::chrono::nanoseconds duration);

/// Suspends until `time`; ends early, by an exception, when the coroutine is cancelled.
[[nodiscard]] asio::awaitable<void> sleep_until(SteadyTime time);

}  // namespace ei
