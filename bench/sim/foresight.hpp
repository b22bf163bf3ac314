#pragma once

#include <vector>

#include "bench/sim/simulation.hpp"
#include "operator/simulation/scenario.hpp"

namespace ei::bench {

/// The cheapest replica counts that somebody who knows every arrival and service time beforehand finds, with
/// at most `late_ratio` of the requests late: workers are ordered their start delay ahead, so none comes too
/// late or too early. Found by local search over the plan's seconds, so no proof of optimality; requests that
/// are late anyway cost the search nothing (they would be served in idle moments), which errs on the side of
/// too low a bound. Faults of the scenario are ignored.
///
/// One count for each second of the trace; the minimum follows.
std::vector<int> search_plan(Scenario const& scenario, double late_ratio);

/// The cheapest plan of several searches that leaves at most `late_ratio` of the requests late when it is
/// really run
/// (`simulate`, with the late lane): what late requests cost when they are served after all is then paid for.
/// The one with the fewest late requests when none is good enough.
std::vector<int> foreseen_plan(Scenario const& scenario, double late_ratio);

}  // namespace ei::bench
