#pragma once

#include <optional>
#include <vector>

#include "operator/simulation/rng.hpp"
#include "operator/simulation/time.hpp"

namespace ei::simulation {

/// What a run is given: the same for every scaler that is compared.
struct Scenario {
  std::vector<Time> arrivals;     ///< sorted
  std::vector<Duration> service;  ///< one for each arrival
  Duration trace_length{};
  Duration idle{std::chrono::minutes(5)};  ///< what runs on after the trace: who scales down, and when
  Duration start_delay{std::chrono::seconds(3)};
  Duration exit_delay{std::chrono::milliseconds(200)};  ///< a worker's process ends after its last job
  int min_replicas = 1;
  int max_replicas = 6;
  Duration latency_target{std::chrono::milliseconds(500)};

  struct Window {
    Time from{};
    Time to{};
  };
  std::vector<Window> metrics_lost;  ///< every metric path fails in these
  double start_failure_ratio =
      0;                         ///< a created worker is one of those that never get ready, whatever is tried
  double mean_life_seconds = 0;  ///< of a ready worker before it dies, exponential; 0: it lives
  std::uint64_t fault_seed = 0;
};

/// Service times of a lognormal distribution, one for each of `count` requests.
std::vector<Duration> service_times(std::size_t count, double mean_seconds, double cv2, Rng& rng);

}  // namespace ei::simulation
