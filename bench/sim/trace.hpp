#pragma once

#include <chrono>
#include <vector>

#include "bench/sim/rng.hpp"
#include "runtime/core/result.hpp"

namespace ei::bench {

/// Virtual time counts from the epoch of the clock that the production code takes its `now` from.
using Time = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

inline Duration seconds(double count) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(count));
}
inline double in_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// Requests in each second.
using Trace = std::vector<int>;

/// Each second times `factor`. What rounding leaves over is carried on, so that the
/// sum is right to one request.
Trace scale(Trace const& trace, double factor);

/// The mean rate of the busiest minute, or of the whole trace when it is shorter.
double busiest_minute_rps(Trace const& trace);

/// Arrival instants, sorted. Within a second they are as a load test's random waits make them: exponential
/// gaps of mean 1/count, added up from the second's start (so the last ones may fall into the next second).
std::vector<Time> arrivals(Trace const& trace, Rng& rng);

}  // namespace ei::bench
