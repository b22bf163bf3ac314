#include "runtime/async/clock.hpp"

namespace ei {
namespace {

thread_local VirtualClock* virtual_clock = nullptr;

// Timers that stand for an event expire at SteadyTime::max(); no simulation lasts that long.
constexpr std::chrono::hours kNever{24 * 365};

}  // namespace

void use_clock(VirtualClock* clock) {
  virtual_clock = clock;
}

SteadyTime steady_now() {
  return virtual_clock != nullptr ? virtual_clock->steady : std::chrono::steady_clock::now();
}

WallTime wall_now() {
  return virtual_clock != nullptr ? virtual_clock->wall : std::chrono::system_clock::now();
}

Clock::duration WaitTraits::to_wait_duration(Clock::duration const& left) {
  if (virtual_clock == nullptr) return left;
  if (left < kNever) virtual_clock->next_expiry = virtual_clock->steady + left;
  // The reactor looks at its timers in each poll then, whatever the machine's clock says.
  return Clock::duration::zero();
}

Clock::duration WaitTraits::to_wait_duration(Clock::time_point const& expiry) {
  auto const now = steady_now();
  if (expiry == SteadyTime::max()) return to_wait_duration(Clock::duration::max());
  return to_wait_duration(expiry - now);
}

}  // namespace ei
