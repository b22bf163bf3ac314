#pragma once

#include <vector>

#include "operator/simulation/rng.hpp"
#include "operator/simulation/time.hpp"

namespace ei::simulation {

/// Requests in each second.
using Trace = std::vector<int>;

/// Arrival instants, sorted. Within a second they are as a load test's random waits make them: exponential
/// gaps of mean 1/count, added up from the second's start (so the last ones may fall into the next second).
std::vector<Time> arrivals(Trace const& trace, Rng& rng);

}  // namespace ei::simulation
