#include "bench/sim/trace.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ei::bench {

Trace scale(Trace const& trace, double factor) {
  Trace scaled;
  double wanted = 0;
  double given = 0;
  for (int const count : trace) {
    wanted += count * factor;
    double const now = std::max(0.0, std::floor(wanted - given + 0.5));
    given += now;
    scaled.push_back(static_cast<int>(now));
  }
  return scaled;
}

double busiest_minute_rps(Trace const& trace) {
  std::size_t const window = std::min<std::size_t>(60, trace.size());
  if (window == 0) return 0;
  auto const after = trace.begin() + static_cast<std::ptrdiff_t>(window);
  long sum = std::accumulate(trace.begin(), after, 0L);
  long most = sum;
  for (std::size_t at = window; at < trace.size(); ++at) {
    sum += trace[at] - trace[at - window];
    most = std::max(most, sum);
  }
  return static_cast<double>(most) / static_cast<double>(window);
}

std::vector<Time> arrivals(Trace const& trace, Rng& rng) {
  std::vector<Time> instants;
  for (std::size_t second = 0; second < trace.size(); ++second) {
    double at_seconds = static_cast<double>(second);
    for (int i = 0; i < trace[second]; ++i) {
      at_seconds += rng.exponential(1.0 / trace[second]);
      instants.push_back(Time(seconds(at_seconds)));
    }
  }
  std::sort(instants.begin(), instants.end());
  return instants;
}

}  // namespace ei::bench
