#include <catch2/catch.hpp>
#include <chrono>

#include "operator/simulation/cluster.hpp"
#include "operator/simulation/scalers.hpp"

using namespace ei::simulation;
using namespace std::chrono_literals;

namespace {

/// One request of 30 ms at each of the seconds, in ten minutes that begin without a worker.
Scenario sparse(std::vector<double> const& instants) {
  Scenario made;
  for (double const s : instants) made.arrivals.push_back(Time(seconds(s)));
  made.service.assign(instants.size(), 30ms);
  made.trace_length = 600s;
  made.idle = 0s;
  made.exit_delay = 0s;
  made.min_replicas = 0;
  return made;
}

Outcome ours(Scenario const& scenario, std::chrono::milliseconds idle_after) {
  ei::scaling::Settings settings;
  settings.min_replicas = 0;
  settings.idle_after = idle_after;
  return simulate(scenario, policy_scaler(settings, {}, true, 1));
}

}  // namespace

TEST_CASE("our policy starts a worker for the first request and ends it idleAfter later") {
  auto const outcome = ours(sparse({100, 110}), 30s);
  CHECK(outcome.cold_starts == 1);
  CHECK(outcome.latency_seconds[0] > 3);
  CHECK(outcome.latency_seconds[0] < 3.2);
  CHECK(outcome.latency_seconds[1] == Approx(0.03));
  // From the call until 30 s after the second request, noticed within a second or two.
  CHECK(outcome.core_seconds > 39);
  CHECK(outcome.core_seconds < 43);
}

TEST_CASE(
    "requests that come later than idleAfter each find no worker, and a service that nobody asks costs "
    "nothing") {
  CHECK(ours(sparse({100, 200, 300}), 30s).cold_starts == 3);
  auto const nobody = ours(sparse({}), 30s);
  CHECK(nobody.core_seconds == 0);
  CHECK(nobody.scale_events == 0);
}

TEST_CASE("Knative goes to zero a stable window and a grace after the last request") {
  KpaSettings settings;
  settings.min_replicas = 0;
  auto const outcome = simulate(sparse({100}), kpa_scaler(settings));
  CHECK(outcome.cold_starts == 1);
  CHECK(outcome.latency_seconds[0] < 3.3);
  CHECK(outcome.core_seconds > 90);
  CHECK(outcome.core_seconds < 100);
}

TEST_CASE("KEDA's HTTP add-on goes to zero a cooldown after the last request") {
  auto const outcome = simulate(sparse({100}), keda_http_scaler({}, 5, 300s, 1));
  CHECK(outcome.cold_starts == 1);
  CHECK(outcome.latency_seconds[0] < 3.3);
  CHECK(outcome.core_seconds > 300);
  CHECK(outcome.core_seconds < 305);
}

TEST_CASE("settings may change with the time") {
  Scenario made = sparse({});
  made.min_replicas = 1;
  ei::scaling::Settings settings;
  auto const settings_at = [&](Time now) {
    auto changed = settings;
    if (now >= Time(100s) && now < Time(200s)) changed.min_replicas = 4;
    return changed;
  };
  auto const outcome = simulate(made, policy_scaler(settings, {}, true, 1, {}, {}, settings_at));
  CHECK(outcome.replicas[50] == 1);
  CHECK(outcome.replicas[150] == 4);
  CHECK(outcome.replicas[250] == 1);
}
