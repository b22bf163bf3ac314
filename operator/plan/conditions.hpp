#pragma once

#include <string_view>
#include <vector>

#include "operator/plan/rollout.hpp"

namespace ei::plan {

/// Reason of MetricsAvailable until the first scrape has succeeded, or should have long ago: no alarm yet.
inline constexpr std::string_view kMetricsStarting = "Starting";

/// Every condition of a service, in the order people read them; transition times
/// carried over from `seen.status`.
[[nodiscard]] std::vector<api::Condition> next_conditions(Observation const& seen, Verdict const& verdict,
                                                          WallTime now);

}  // namespace ei::plan
