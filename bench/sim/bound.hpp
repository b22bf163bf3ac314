#pragma once

#include "bench/sim/simulation.hpp"
#include "operator/simulation/scenario.hpp"

namespace ei::bench {

/// Core-seconds during the trace that no scaler can go below with at most `late_ratio` of the requests late,
/// not even one that knows the future: a lower bound, proven by duality.
///
/// Its model only leaves out what costs more. Work is a fluid that any number of workers may share; workers
/// may be fractions; a late request takes no work at all; a worker leaves at once. What remains:
///  - at each quarter of a second the unfinished work is at most what can still be punctual;
///  - a worker that serves was paid for during the start before it;
///  - there are never fewer workers than the minimum nor more than the maximum.
/// So it is near what can be done where many workers share the load, and far below where a few long requests
/// have to be served one by one. Faults of the scenario are ignored: they only cost more.
/// Where not even the maximum could be punctual the number has no meaning.
double least_core_seconds(Scenario const& scenario, double late_ratio);

}  // namespace ei::bench
