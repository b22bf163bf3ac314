#include "bench/load/schedule.hpp"

#include <string>

namespace ei::bench {
namespace {

Error too_many(double count) {
  return make_error(ErrorKind::Invalid, "the load is " + std::to_string(static_cast<long long>(count)) +
                                            " requests; allowed: at most " + std::to_string(kMostRequests));
}

}  // namespace

Result<Schedule> schedule_of(Trace const& trace, std::uint64_t seed) {
  double total = 0;
  for (int const count : trace) total += count;
  if (total == 0) return make_error(ErrorKind::Invalid, "the trace holds no request");
  if (total > static_cast<double>(kMostRequests)) return too_many(total);
  Rng rng(seed);
  Schedule schedule;
  schedule.reserve(static_cast<std::size_t>(total));
  for (Time const at : arrivals(trace, rng)) schedule.push_back(at.time_since_epoch());
  return schedule;
}

Result<Schedule> poisson_schedule(double rate_rps, double length_seconds, std::uint64_t seed) {
  // Not `<=`: NaN must fail too.
  if (!(rate_rps > 0) || !(length_seconds > 0)) {
    return make_error(ErrorKind::Invalid, "rate and seconds must be positive");
  }
  double const expected = rate_rps * length_seconds;
  if (expected > static_cast<double>(kMostRequests)) return too_many(expected);
  Rng rng(seed);
  Schedule schedule;
  double at_seconds = rng.exponential(1 / rate_rps);
  for (; at_seconds < length_seconds; at_seconds += rng.exponential(1 / rate_rps)) {
    schedule.push_back(seconds(at_seconds));
  }
  if (schedule.empty()) return make_error(ErrorKind::Invalid, "no request falls into so short a run");
  return schedule;
}

}  // namespace ei::bench
