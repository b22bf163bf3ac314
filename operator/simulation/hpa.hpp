#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "operator/simulation/cpu_metrics.hpp"

namespace ei::simulation {

/// The horizontal pod autoscaler of Kubernetes with its upstream
/// defaults (pkg/controller/podautoscaler, v1.35).
struct HpaSettings {
  int target_percent = 70;
  int request_millicores = 1000;
  int min_replicas = 1;
  int max_replicas = 6;
  Duration sync{std::chrono::seconds(15)};
  double tolerance_ratio = 0.1;
  Duration cpu_initialization{std::chrono::minutes(5)};
  Duration readiness_delay{std::chrono::seconds(30)};
  Duration downscale_stabilization{std::chrono::minutes(5)};
  /// `behavior: {}`: the rules of autoscaling/v2 (up +4 or +100 % in 15 s, down -100 % in 15 s) in place of
  /// the limit max(2·cur, 4).
  bool with_behavior = false;
};

struct HpaPod {
  bool deleting = false;
  bool pending = false;
  bool ready = false;
  Time started{};
  Time transition{};  ///< of its Ready condition
  std::optional<PodCpu> cpu;
};

/// GetResourceReplicas: what the CPU of the pods asks for; empty (an error upstream: nothing is changed)
/// without any usable metric.
std::optional<int> hpa_cpu_replicas(HpaSettings const& settings, int current, std::vector<HpaPod> const& pods,
                                    Time now);

/// GetExternalPerPodMetricReplicas: an external metric with an average-value target, as
/// KEDA makes of a queue length.
int hpa_external_replicas(HpaSettings const& settings, int current, double value, double threshold);

/// The controller around these: stabilisation, rate limits and bounds.
class HpaController {
 public:
  explicit HpaController(HpaSettings settings) : settings_(settings) {}

  /// From the next decision on.
  void bound(int least, int most) {
    settings_.min_replicas = least;
    settings_.max_replicas = most;
  }

  /// The new replica count for a proposal (none: metrics failed, nothing changes).
  int reconcile(int current, std::optional<int> proposal, Time now);

 private:
  struct Recommendation {
    Time at{};
    int replicas = 0;
  };

  int stabilized(int current, int desired, Time now);
  int limited(int current, int desired, Time now);

  HpaSettings settings_;
  std::deque<Recommendation> recommendations_;
  std::deque<Recommendation> scale_ups_;    // with_behavior: replicas added
  std::deque<Recommendation> scale_downs_;  // with_behavior: replicas removed
};

}  // namespace ei::simulation
