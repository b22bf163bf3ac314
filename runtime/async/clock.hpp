#pragma once

#include <boost/asio/basic_waitable_timer.hpp>
#include <optional>

#include "runtime/core/units.hpp"

namespace ei {
namespace asio = boost::asio;

/// The time of a simulated process. Whoever simulates it polls the process's io_context until it has nothing
/// left to do, then sets `steady` to `next_expiry`, or to whatever happens earlier, and polls again.
struct VirtualClock {
  SteadyTime steady{};
  WallTime wall{};
  /// The earliest expiry of a Timer that the polled io_context waits for; it may name one that was cancelled
  /// since. To be emptied before each poll. Empty after it: nothing waits for a time.
  std::optional<SteadyTime> next_expiry = {};
};

/// Puts `clock` in the place of the machine's clocks for this thread, until the next call; null gives them
/// back. For simulations only: no Timer of another clock may be waiting on the io_context that is polled.
void use_clock(VirtualClock* clock);

/// What coroutines take for now: the machine's clocks outside of simulations.
[[nodiscard]] SteadyTime steady_now();
[[nodiscard]] WallTime wall_now();

/// steady_now() in the form that Asio's timers take.
struct Clock {
  using time_point = SteadyTime;
  using duration = time_point::duration;
  using rep = duration::rep;
  using period = duration::period;
  static constexpr bool is_steady = true;
  static time_point now() { return steady_now(); }
};

/// How long the reactor may sleep: to the next expiry, or in virtual time not at all.
struct WaitTraits {
  static Clock::duration to_wait_duration(Clock::duration const& left);
  static Clock::duration to_wait_duration(Clock::time_point const& expiry);
};

/// asio::steady_timer, but by steady_now().
using Timer = asio::basic_waitable_timer<Clock, WaitTraits>;

}  // namespace ei
