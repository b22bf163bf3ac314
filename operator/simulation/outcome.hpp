#pragma once

#include "operator/simulation/cluster.hpp"

namespace ei::simulation {

struct Summary {
  double p50_s = 0;
  double p99_s = 0;
  double max_s = 0;
  double late_ratio = 0;  ///< share of requests answered after the target
  double core_seconds = 0;
  double core_seconds_with_idle = 0;
  double process_seconds = 0;  ///< see Outcome
  double scale_events = 0;     ///< a mean where runs are taken together
  bool operator==(Summary const&) const = default;
};

/// Percentiles are nearest-rank: the least latency that the share of requests does not
/// exceed. Zeros for no request.
Summary summarize(Outcome const& outcome, Duration latency_target);

}  // namespace ei::simulation
