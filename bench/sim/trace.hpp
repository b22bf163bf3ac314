#pragma once

#include "bench/sim/simulation.hpp"
#include "operator/simulation/arrivals.hpp"
#include "runtime/core/result.hpp"

namespace ei::bench {

/// Each second times `factor`. What rounding leaves over is carried on, so that the
/// sum is right to one request.
Trace scale(Trace const& trace, double factor);

/// The mean rate of the busiest minute, or of the whole trace when it is shorter.
double busiest_minute_rps(Trace const& trace);

}  // namespace ei::bench
