#include "operator/simulation/hpa.hpp"

#include <algorithm>
#include <cmath>

namespace ei::simulation {
namespace {

enum class Group { Ready, Unready, Missing, Ignored };

/// groupPods of replica_calculator.go, for CPU.
///
/// | pod                                                                   | group   |
/// |-----------------------------------------------------------------------|---------|
/// | is being deleted                                                      | Ignored |
/// | is pending                                                            | Unready |
/// | has no metric                                                         | Missing |
/// | within the initialisation period, not ready or its metric's window    | Unready |
/// |   began before it became ready                                        |         |
/// | later, not ready and never was                                        | Unready |
/// | else                                                                  | Ready   |
Group group_of(HpaSettings const& settings, HpaPod const& pod, Time now) {
  if (pod.deleting) return Group::Ignored;
  if (pod.pending) return Group::Unready;
  if (!pod.cpu) return Group::Missing;
  bool unready = false;
  if (pod.started + settings.cpu_initialization > now) {
    unready = !pod.ready || pod.cpu->timestamp < pod.transition + pod.cpu->window;
  } else {
    unready = !pod.ready && pod.started + settings.readiness_delay > pod.transition;
  }
  return unready ? Group::Unready : Group::Ready;
}

struct Use {
  long millicores = 0;
  int pods = 0;
};

/// The utilisation is cut to a whole percentage before it is compared.
double usage_ratio(HpaSettings const& settings, Use const& use) {
  long const requested = static_cast<long>(settings.request_millicores) * use.pods;
  long const percent = use.millicores * 100 / requested;
  return static_cast<double>(percent) / settings.target_percent;
}

/// In this form since v1.33. Before it was |1 - ratio| <= 0.1, which 99/90 is not in floating point.
bool tolerated(HpaSettings const& settings, double ratio) {
  return 1 - settings.tolerance_ratio <= ratio && ratio <= 1 + settings.tolerance_ratio;
}

int ceil_replicas(double value) {
  return static_cast<int>(std::ceil(std::min(value, 1e9)));
}

}  // namespace

std::optional<int> hpa_cpu_replicas(HpaSettings const& settings, int current, std::vector<HpaPod> const& pods,
                                    Time now) {
  Use use;
  int unready = 0;
  int missing = 0;
  for (HpaPod const& pod : pods) {
    switch (group_of(settings, pod, now)) {
      case Group::Ready:
        use.millicores += pod.cpu->millicores;
        ++use.pods;
        break;
      case Group::Unready:
        ++unready;
        break;
      case Group::Missing:
        ++missing;
        break;
      case Group::Ignored:
        break;
    }
  }
  if (use.pods == 0) return std::nullopt;
  double const ratio = usage_ratio(settings, use);
  bool const up_with_unready = unready > 0 && ratio > 1;
  if (!up_with_unready && missing == 0) {
    if (tolerated(settings, ratio)) return current;
    return ceil_replicas(ratio * use.pods);
  }
  if (missing > 0) {
    if (ratio < 1) {
      // As if they used all they asked for, or the target where that is more.
      long const fallback_percent = std::max(100, settings.target_percent);
      use.millicores += missing * settings.request_millicores * fallback_percent / 100;
      use.pods += missing;
    } else if (ratio > 1) {
      use.pods += missing;
    }
  }
  if (up_with_unready) use.pods += unready;
  double const corrected = usage_ratio(settings, use);
  bool const flipped = (ratio < 1 && corrected > 1) || (ratio > 1 && corrected < 1);
  if (tolerated(settings, corrected) || flipped) return current;
  int const replicas = ceil_replicas(corrected * use.pods);
  bool const against = (corrected < 1 && replicas > current) || (corrected > 1 && replicas < current);
  return against ? current : replicas;
}

int hpa_external_replicas(HpaSettings const& settings, int current, double value, double threshold) {
  double const ratio = value / (threshold * std::max(current, 1));
  return tolerated(settings, ratio) ? current : ceil_replicas(value / threshold);
}

int HpaController::reconcile(int current, std::optional<int> proposal, Time now) {
  if (recommendations_.empty()) recommendations_.push_back({now, current});
  if (current > settings_.max_replicas) return settings_.max_replicas;
  if (current < settings_.min_replicas) return settings_.min_replicas;
  if (!proposal) return current;
  int const replicas = limited(current, stabilized(current, *proposal, now), now);
  if (settings_.with_behavior && replicas > current) scale_ups_.push_back({now, replicas - current});
  if (settings_.with_behavior && replicas < current) scale_downs_.push_back({now, current - replicas});
  return replicas;
}

/// The highest recommendation of the stabilisation window. With `behavior` the window holds back scale-downs
/// alone, as scale-ups have no window by default: of the range from what is desired now to the highest, what
/// is nearest to the count in force.
int HpaController::stabilized(int current, int desired, Time now) {
  int highest = desired;
  while (!recommendations_.empty() && recommendations_.front().at < now - settings_.downscale_stabilization) {
    recommendations_.pop_front();
  }
  for (auto const& each : recommendations_) highest = std::max(highest, each.replicas);
  recommendations_.push_back({now, desired});
  return settings_.with_behavior ? std::clamp(current, desired, highest) : highest;
}

int HpaController::limited(int current, int desired, Time now) {
  constexpr Duration kPeriod = std::chrono::seconds(15);
  auto const changed_within = [&](std::deque<Recommendation>& changes) {
    while (!changes.empty() && changes.front().at <= now - kPeriod) changes.pop_front();
    int sum = 0;
    for (auto const& each : changes) sum += each.replicas;
    return sum;
  };
  int up_limit = std::max(2 * current, 4);
  if (settings_.with_behavior) {
    int const start = current - changed_within(scale_ups_) + changed_within(scale_downs_);
    up_limit = std::max({start + 4, 2 * start, current});
  }
  int const low = settings_.min_replicas;
  int const high = std::max(low, std::min(settings_.max_replicas, up_limit));
  return std::clamp(desired, low, high);
}

}  // namespace ei::simulation
