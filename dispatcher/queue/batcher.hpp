// How many waiting requests the next job takes, and whether to wait for more. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>

#include "dispatcher/queue/request_queue.hpp"

namespace ei::dispatcher {

struct BatchLimits {
  std::size_t max_size = 1;  ///< requests in one job, >= 1
  Duration max_delay{0};     ///< the longest that a request waits for company while a worker is idle
  bool operator==(BatchLimits const&) const = default;
};

struct Batch {
  std::size_t size = 0;            ///< take so many now; 0: none yet
  std::optional<Time> wait_until;  ///< ask again then, or when another request arrives
  bool operator==(Batch const&) const = default;
};

/// What an idle worker gets now.
///
/// | waiting                                   | batch                          |
/// |-------------------------------------------|--------------------------------|
/// | nobody                                    | none                           |
/// | max_size or more                          | max_size                       |
/// | fewer, one given back or waited max_delay | all of them                    |
/// | fewer, all recent                         | none until the oldest's delay  |
[[nodiscard]] inline Batch plan_batch(RequestQueue const& queue, BatchLimits const& limits, Time now) {
  if (queue.empty()) return {};
  std::size_t const size = std::min(queue.size(), limits.max_size);
  if (size == limits.max_size || queue.has_returned()) return {size, std::nullopt};
  Time const ripe = *queue.oldest() + limits.max_delay;
  if (now >= ripe) return {size, std::nullopt};
  return {0, ripe};
}

}  // namespace ei::dispatcher
