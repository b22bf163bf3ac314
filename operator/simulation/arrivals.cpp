#include "operator/simulation/arrivals.hpp"

#include <algorithm>

namespace ei::simulation {

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

}  // namespace ei::simulation
