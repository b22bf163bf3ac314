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

}  // namespace ei::bench
