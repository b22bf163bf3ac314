#include "operator/advice/advisor.hpp"

#include <algorithm>

#include "operator/api/limits.hpp"
#include "operator/simulation/scalers.hpp"

namespace ei::advice {
namespace {

using scaling::Advisor;

/// KEDA leaves the threshold to its user; 5 is the default of its Redis list scaler. As in the bench.
constexpr double kKedaThreshold = 5;

/// The service's own interval where it acts under this policy, else the policy's usual one.
scaling::Settings of_ours(scaling::Settings settings, scaling::Policy policy, milliseconds usual) {
  if (settings.policy != policy) settings.interval = usual;
  settings.policy = policy;
  settings.paused = settings.advise = false;
  return settings;
}

simulation::Scaler without_lane(Advisor advisor, scaling::Settings const& settings, std::uint64_t seed) {
  using scaling::Policy;
  simulation::HpaSettings hpa;
  switch (advisor) {
    case Advisor::Latency:
      return simulation::policy_scaler(of_ours(settings, Policy::Latency, api::kDefaultInterval), {}, true,
                                       seed);
    case Advisor::QueueRatio:
      return simulation::policy_scaler(of_ours(settings, Policy::QueueRatio, api::kDefaultQueueRatioInterval),
                                       {}, true, seed);
    case Advisor::Hpa70:
      hpa.target_percent = 70;
      return simulation::hpa_scaler(hpa, {}, seed);
    case Advisor::Hpa90:
      hpa.target_percent = 90;
      return simulation::hpa_scaler(hpa, {}, seed);
    case Advisor::Keda:
      return simulation::keda_scaler(hpa, kKedaThreshold, seed);
    case Advisor::Kpa:
      return simulation::kpa_scaler({});
    case Advisor::RayServe:
      return simulation::ray_scaler({});
  }
  return {};
}

}  // namespace

simulation::Scaler scaler_of(Advisor advisor, scaling::Settings const& settings, std::uint64_t seed) {
  auto scaler = without_lane(advisor, settings, seed);
  scaler.late_lane = true;
  scaler.bound(least_of(advisor, settings.min_replicas), settings.max_replicas);
  return scaler;
}

int least_of(Advisor advisor, int least) {
  // The others do not come back from zero by themselves.
  bool const to_zero =
      advisor == Advisor::Latency || advisor == Advisor::QueueRatio || advisor == Advisor::Kpa;
  return to_zero ? least : std::max(1, least);
}

}  // namespace ei::advice
