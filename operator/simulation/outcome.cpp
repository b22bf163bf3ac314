#include "operator/simulation/outcome.hpp"

#include <algorithm>
#include <cmath>

namespace ei::simulation {
namespace {

double nearest_rank(std::vector<float>& values, double ratio) {
  auto const rank = static_cast<std::size_t>(std::ceil(ratio * static_cast<double>(values.size())));
  auto const at = values.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

Summary summarize(Outcome const& outcome, Duration latency_target) {
  Summary summary;
  summary.core_seconds = outcome.core_seconds;
  summary.process_seconds = outcome.process_seconds;
  summary.core_seconds_with_idle = outcome.core_seconds_with_idle;
  summary.scale_events = outcome.scale_events;
  std::vector<float> values = outcome.latency_seconds;
  if (values.empty()) return summary;
  summary.p50_s = nearest_rank(values, 0.50);
  summary.p99_s = nearest_rank(values, 0.99);
  summary.max_s = *std::max_element(values.begin(), values.end());
  double const target = in_seconds(latency_target);
  auto const late =
      std::count_if(values.begin(), values.end(), [&](float latency) { return latency > target; });
  summary.late_ratio = static_cast<double>(late) / static_cast<double>(values.size());
  return summary;
}

}  // namespace ei::simulation
