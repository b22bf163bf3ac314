#pragma once

#include <deque>
#include <optional>

#include "operator/simulation/time.hpp"

namespace ei::simulation {

/// Knative's pod autoscaler with its upstream defaults (config-autoscaler;
/// pkg/autoscaler/scaling/autoscaler.go).
struct KpaSettings {
  Duration tick{std::chrono::seconds(2)};
  Duration stable_window{std::chrono::seconds(60)};
  Duration panic_window{std::chrono::seconds(6)};  ///< 10 % of the stable one
  double panic_threshold_ratio = 2.0;
  double target_concurrency = 0.7;  ///< 70 % of one request at a time, which is what a worker takes
  double max_scale_up_ratio = 1000;
  double max_scale_down_ratio = 2;
  Duration scale_to_zero_grace{std::chrono::seconds(30)};  ///< with a minimum of 0
  int min_replicas = 1;
  int max_replicas = 6;
};

class Kpa {
 public:
  explicit Kpa(KpaSettings settings) : settings_(settings) {}

  /// From the next decision on.
  void bound(int least, int most) {
    settings_.min_replicas = least;
    settings_.max_replicas = most;
  }

  /// One-second bucket: requests in the system, waiting ones included.
  void observe(double concurrency);
  /// Empty windows average what there is.
  int decide(int ready, Time now);
  bool panicking() const { return panic_since_.has_value(); }

 private:
  double average(Duration window) const;

  KpaSettings settings_;
  std::deque<double> buckets_;
  std::optional<Time> panic_since_;
  int most_in_panic_ = 0;
};

}  // namespace ei::simulation
