#include "operator/backend/local/instance.hpp"

#include <algorithm>
#include <numeric>

namespace ei::backend::local {
namespace {

bool is_ready(Slot const& slot) {
  return slot.current && slot.current->ready;
}

WallTime created(Slot const& slot) {
  return slot.current ? slot.current->created : WallTime::max();
}

}  // namespace

milliseconds restart_delay(int failures) {
  constexpr milliseconds kLongest{10'000};
  // 10 ms · 2^10 is over the ceiling already.
  return std::min(milliseconds(10) * (1 << std::clamp(failures - 1, 0, 10)), kLongest);
}

plan::WorkerInstance observed_worker(Instance const& instance) {
  return {instance.name,
          instance.created,
          instance.ready,
          instance.first_ready,
          instance.not_ready_since,
          instance.leaving,
          {}};
}

void note_failure(Slot& slot, Instance const& ended, std::string const& how, SteadyTime now) {
  if (now - ended.started >= kLasted) slot.failures = 0;
  ++slot.failures;
  auto const delay = restart_delay(slot.failures);
  slot.retry_at = now + delay;
  slot.trouble = plan::Trouble{
      "Crashed",
      ended.name + " " + how + ", the next start is " + std::to_string(delay.count()) + " ms later",
      slot.failures >= kLastingFailures};
}

std::vector<std::size_t> surplus(std::vector<Slot> const& slots, std::size_t keep) {
  std::vector<std::size_t> order(slots.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  // Most wanted first.
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (is_ready(slots[a]) != is_ready(slots[b])) return is_ready(slots[a]);
    return created(slots[a]) < created(slots[b]);
  });
  std::vector<std::size_t> victims(order.begin() + static_cast<std::ptrdiff_t>(std::min(keep, order.size())),
                                   order.end());
  std::sort(victims.begin(), victims.end());
  return victims;
}

}  // namespace ei::backend::local
