#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>

#include "runtime/core/units.hpp"

namespace ei {
namespace asio = boost::asio;

/// Something that coroutines wait for: any number of them, each with a deadline of its own or none. Use from
/// the executor's thread only. Each wait is cancelled as every asio operation is: it throws
/// operation_aborted. So do the waits that an event leaves behind when it is destroyed.
class Event {
 public:
  explicit Event(asio::any_io_executor executor);
  ~Event();
  Event(Event const&) = delete;
  Event& operator=(Event const&) = delete;

  /// Ends every wait, and each later one at once, until clear().
  void set();
  void clear();
  [[nodiscard]] bool is_set() const;
  /// Ends the waits that have begun; later ones wait on. For "something has changed": see until().
  void notify();

  /// Until set() or notify(): true. False when `deadline` has passed first.
  [[nodiscard]] asio::awaitable<bool> wait(SteadyTime deadline = SteadyTime::max());
  /// wait() for a coroutine that cleans up after its cancellation: false then, instead of the exception.
  [[nodiscard]] asio::awaitable<bool> wait_or_cancel(SteadyTime deadline = SteadyTime::max());

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Waits until `holds()`, which is asked now and after each notify(): true.
/// False when `deadline` has passed first.
template <class Condition>
[[nodiscard]] asio::awaitable<bool> until(Event& event, Condition holds,
                                          SteadyTime deadline = SteadyTime::max()) {
  while (!holds()) {
    bool const came = co_await event.wait(deadline);
    if (!came) co_return holds();
  }
  co_return true;
}

}  // namespace ei
