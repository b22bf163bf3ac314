#include <algorithm>
#include <utility>

#include "operator/simulation/cluster.hpp"

namespace ei::simulation {
namespace {

constexpr Duration kLongestOverrun =
    std::chrono::hours(6);  // what is not served by then counts as waiting until then

ClusterSettings settings_of(Scenario const& scenario) {
  ClusterSettings settings;
  settings.replicas = scenario.min_replicas;
  settings.start_delay = scenario.start_delay;
  settings.exit_delay = scenario.exit_delay;
  settings.latency_target = scenario.latency_target;
  settings.metrics_lost = scenario.metrics_lost;
  settings.start_failure_ratio = scenario.start_failure_ratio;
  settings.mean_life_seconds = scenario.mean_life_seconds;
  settings.fault_seed = scenario.fault_seed;
  return settings;
}

}  // namespace

std::vector<Duration> service_times(std::size_t count, double mean_seconds, double cv2, Rng& rng) {
  std::vector<Duration> times;
  times.reserve(count);
  for (std::size_t i = 0; i < count; ++i) times.push_back(seconds(rng.lognormal(mean_seconds, cv2)));
  return times;
}

Outcome simulate(Scenario const& scenario, Scaler scaler) {
  Time const trace_end = Time(scenario.trace_length);
  Time const end = trace_end + scenario.idle;
  auto const& arrivals = scenario.arrivals;
  Outcome outcome;
  outcome.latency_seconds.assign(arrivals.size(), -1.0F);
  Cluster cluster(settings_of(scenario), std::move(scaler), [&](std::uint64_t number, Duration latency) {
    outcome.latency_seconds[number] = static_cast<float>(in_seconds(latency));
  });
  for (std::size_t i = 0; i < arrivals.size(); ++i) cluster.offer(arrivals[i], scenario.service[i]);
  // Both ends are read on the way there.
  auto const run_before = [&](Time limit) {
    if (cluster.now() < trace_end && limit >= trace_end) {
      cluster.run_before(trace_end);
      outcome.core_seconds = cluster.core_seconds();
      outcome.process_seconds = cluster.process_seconds();
      outcome.scale_events = cluster.scale_events();
    }
    if (cluster.now() < end && limit >= end) {
      cluster.run_before(end);
      outcome.core_seconds_with_idle = cluster.core_seconds();
    }
    cluster.run_before(limit);
  };
  for (Time second{};; second += std::chrono::seconds(1)) {
    run_before(second);
    if (second >= end && (cluster.ended() == arrivals.size() || second >= end + kLongestOverrun)) break;
    cluster.run_through(second);
    outcome.replicas.push_back(cluster.current());
    outcome.ready.push_back(cluster.ready());
    outcome.queue.push_back(static_cast<int>(cluster.queued()));
  }
  outcome.cold_starts = cluster.counts().cold;
  for (std::size_t i = 0; i < arrivals.size(); ++i) {
    float& latency = outcome.latency_seconds[i];
    if (latency < 0) latency = static_cast<float>(in_seconds(end + kLongestOverrun - arrivals[i]));
  }
  return outcome;
}

}  // namespace ei::simulation
