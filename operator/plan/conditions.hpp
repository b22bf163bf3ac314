#pragma once

#include <string_view>
#include <vector>

#include "operator/plan/verdict.hpp"

namespace ei::plan {

/// How many dispatchers and workers answer, of how many that are wanted.
struct Counts {
  int dispatchers_wanted = 0;
  int dispatchers_ready = 0;
  int workers_wanted = 0;  ///< granted by the decision
  int workers = 0;         ///< running and not asked to leave
  int workers_ready = 0;
};
[[nodiscard]] Counts count(Observation const& seen, Verdict const& verdict);

/// Reason of MetricsAvailable until the first scrape has succeeded, or should have long ago: no alarm yet.
inline constexpr std::string_view kMetricsStarting = "Starting";

/// Every condition of a service, in the order people read them; transition times
/// carried over from `seen.status`.
[[nodiscard]] std::vector<api::Condition> next_conditions(Observation const& seen, Verdict const& verdict,
                                                          WallTime now);

}  // namespace ei::plan
