#include "operator/reconcile/indicators.hpp"

#include <algorithm>
#include <chrono>

namespace ei::reconcile {

AnswerCounts Indicators::answered(std::uint64_t epoch, milliseconds latency_target, AnswerCounts counts) {
  bool const comparable = known_ && epoch == epoch_ && latency_target == latency_target_;
  AnswerCounts const before = counts_;
  known_ = true;
  epoch_ = epoch;
  latency_target_ = latency_target;
  counts_ = counts;
  if (!comparable) return {};
  return {std::max(0.0, counts.total - before.total), std::max(0.0, counts.late - before.late)};
}

std::vector<double> Indicators::decided(int from, int to, int ready, SteadyTime now) {
  while (!awaited_.empty() && awaited_.back().level > to) awaited_.pop_back();
  int const known = awaited_.empty() ? from : std::max(from, awaited_.back().level);
  for (int level = known + 1; level <= to; ++level) awaited_.push_back({level, now});
  std::vector<double> waits;
  while (!awaited_.empty() && awaited_.front().level <= ready) {
    waits.push_back(std::chrono::duration<double>(now - awaited_.front().since).count());
    awaited_.erase(awaited_.begin());
  }
  return waits;
}

}  // namespace ei::reconcile
