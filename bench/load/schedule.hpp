#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/sim/trace.hpp"

namespace ei::bench {

/// When each request is meant to be sent, from the start of the run; sorted. Fixed before the first is sent,
/// so a slow server cannot slow the load down.
using Schedule = std::vector<std::chrono::nanoseconds>;

/// What a run may hold: a day at 57 requests per second, 40 MB of schedule.
inline constexpr std::size_t kMostRequests = 5'000'000;

/// trace[s] requests in second s, with exponential gaps. The same seed gives the same schedule everywhere.
/// Errors: Invalid (no request at all, or more than kMostRequests).
[[nodiscard]] Result<Schedule> schedule_of(Trace const& trace, std::uint64_t seed);

/// A Poisson process of `rate_rps` over `length_seconds`: the number of requests is itself random.
/// Errors: Invalid (not positive, more than kMostRequests expected, or no arrival).
[[nodiscard]] Result<Schedule> poisson_schedule(double rate_rps, double length_seconds, std::uint64_t seed);

}  // namespace ei::bench
