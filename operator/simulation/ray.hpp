#pragma once

#include <deque>

#include "operator/simulation/time.hpp"

namespace ei::simulation {

/// Ray Serve's autoscaler with its upstream defaults (ray.serve.config.AutoscalingConfig;
/// serve/autoscaling_policy.py).
struct RaySettings {
  Duration tick{std::chrono::seconds(1)};  ///< the controller's loop is faster, its delays are not
  double target_ongoing_requests = 2;      ///< per replica
  Duration look_back{std::chrono::seconds(30)};
  Duration upscale_delay{std::chrono::seconds(30)};
  Duration downscale_delay{std::chrono::seconds(600)};
  int min_replicas = 1;
  int max_replicas = 6;
};

class Ray {
 public:
  explicit Ray(RaySettings settings) : settings_(settings) {}

  /// From the next decision on.
  void bound(int least, int most) {
    settings_.min_replicas = least;
    settings_.max_replicas = most;
  }

  /// Once a tick: requests in the system, waiting ones included. A change must have been wanted, in the same
  /// direction, at every tick of its delay.
  int decide(double ongoing, int current);

 private:
  RaySettings settings_;
  std::deque<double> ongoing_;
  int ticks_up_ = 0;
  int ticks_down_ = 0;
};

}  // namespace ei::simulation
