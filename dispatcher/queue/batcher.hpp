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
/// | nobody, or all are set aside              | none                           |
/// | max_size or more                          | max_size                       |
/// | a retry that goes first or is alone       | that one                       |
/// | fewer, one waited max_delay               | all of them                    |
/// | fewer, all recent                         | none until the oldest's delay  |
///
/// `retries`: whether one may be handed out now.
[[nodiscard]] inline Batch plan_batch(RequestQueue const& queue, BatchLimits const& limits, Time now,
                                      bool retries = true) {
  auto const due = retries ? queue.retry_due() : std::nullopt;
  if (due && (*due <= now || queue.fresh() == 0)) return {1, std::nullopt};
  if (queue.fresh() == 0) return {};
  std::size_t const size = std::min(queue.fresh(), limits.max_size);
  if (size == limits.max_size) return {size, std::nullopt};
  Time const ripe = *queue.oldest_fresh() + limits.max_delay;
  if (now >= ripe) return {size, std::nullopt};
  return {0, due ? std::min(ripe, *due) : ripe};
}

}  // namespace ei::dispatcher
