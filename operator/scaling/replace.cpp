#include "operator/scaling/replace.hpp"

#include "operator/scaling/observe.hpp"

#include <algorithm>
#include <cmath>

namespace ei::scaling {
namespace {

constexpr double kLeastPatienceSeconds = 10;  // a process that restarts itself deserves one try
constexpr double kMostPatienceSeconds = 600;  // Kubernetes' own progress deadline for a deployment
constexpr double kPatienceStarts = 3;         // the slowest of many starts on a busy node
constexpr int kMostDoublings = 6;             // 10 s to 640 s

double patience_seconds(State const& state) {
  double const base_seconds =
      std::max(kLeastPatienceSeconds, kPatienceStarts * expected_start_seconds(state));
  int const doublings = std::clamp(state.failed_replacements, 0, kMostDoublings);
  return std::min(std::ldexp(base_seconds, doublings), std::max(kMostPatienceSeconds, base_seconds));
}

}  // namespace

std::vector<std::string> overdue_workers(State const& state, std::vector<Worker> const& workers) {
  double const limit_seconds = patience_seconds(state);
  std::vector<Worker const*> late;
  for (Worker const& worker : workers) {
    double const patience = worker.proven ? limit_seconds : std::max(limit_seconds, kMostPatienceSeconds);
    if (!worker.ready && worker.not_ready_seconds > patience) late.push_back(&worker);
  }
  std::stable_sort(late.begin(), late.end(),
                   [](auto const* a, auto const* b) { return a->not_ready_seconds > b->not_ready_seconds; });
  std::vector<std::string> names;
  names.reserve(late.size());
  for (Worker const* worker : late) names.push_back(worker->name);
  return names;
}

std::vector<std::string> replace_one(State& state, std::vector<std::string> const& overdue, Time now) {
  if (overdue.empty()) return {};
  bool const too_soon = state.last_replacement &&
                        Seconds(now - *state.last_replacement).count() < expected_start_seconds(state);
  if (too_soon) return {};
  state.last_replacement = now;
  ++state.failed_replacements;
  return {overdue.front()};
}

}  // namespace ei::scaling
