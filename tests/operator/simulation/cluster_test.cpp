#include "operator/simulation/cluster.hpp"

#include <catch2/catch.hpp>
#include <chrono>

#include "operator/simulation/arrivals.hpp"
#include "operator/simulation/outcome.hpp"
#include "operator/simulation/scalers.hpp"

using namespace ei::simulation;
using namespace std::chrono_literals;

namespace {

/// Twenty minutes with a wave of three.
Scenario wave(std::uint64_t seed) {
  Trace trace;
  for (int second = 0; second < 1200; ++second) trace.push_back(second / 200 % 2 == 0 ? 4 : 16);
  Rng rng(seed);
  Scenario made;
  made.arrivals = arrivals(trace, rng);
  made.service = service_times(made.arrivals.size(), 0.2, 0.1, rng);
  made.trace_length = std::chrono::seconds(trace.size());
  made.idle = 0s;
  return made;
}

/// A scaler that keeps so many workers.
Scaler nobody() {
  return {[] { return Time::max(); }, [](View const&, Time) { return Order{}; }};
}

}  // namespace

TEST_CASE("a cluster that is offered its requests second by second is the one that knew them all") {
  auto const scenario = wave(7);
  auto const whole = simulate(scenario, policy_scaler({}, {}, true, 3));
  auto const summary = summarize(whole, scenario.latency_target);

  Cluster steps({}, policy_scaler({}, {}, true, 3));
  std::size_t next = 0;
  std::vector<int> replicas;
  for (auto second = 0s; second <= scenario.trace_length; second += 1s) {
    steps.run_before(Time(second));
    if (second == scenario.trace_length) break;
    for (; next < scenario.arrivals.size() && scenario.arrivals[next] < Time(second + 1s); ++next)
      steps.offer(scenario.arrivals[next], scenario.service[next]);
    steps.run_through(Time(second));
    replicas.push_back(steps.current());
  }
  CHECK(steps.core_seconds() == Approx(whole.core_seconds));
  CHECK(std::vector<int>(whole.replicas.begin(), whole.replicas.begin() + 1200) == replicas);
  auto const late = summary.late_ratio * static_cast<double>(scenario.arrivals.size());
  // The last ones are answered after the steps end.
  CHECK(steps.counts().late >= late - 5);
  CHECK(steps.counts().late <= late);
}

TEST_CASE("what finds the queue full, and what waits over its deadline, is lost") {
  ClusterSettings settings;
  settings.queue_capacity = 2;
  settings.request_timeout = 5s;
  Cluster cluster(settings, nobody());
  for (int i = 0; i < 4; ++i) cluster.offer(Time(1s), 10s);
  cluster.run_through(Time(2s));
  CHECK(cluster.counts().waiting == 2);
  CHECK(cluster.counts().lost == 1);  // the fourth
  cluster.run_through(Time(6s));
  CHECK(cluster.counts().waiting == 0);
  CHECK(cluster.counts().lost == 4);  // the first one's worker computes on
  cluster.run_through(Time(20s));
  CHECK(cluster.counts().lost == 4);
  CHECK(cluster.counts().late == 0);
  CHECK(cluster.ended() == 4);
}

TEST_CASE("a job of several requests counts as so many, and takes a worker for all of them") {
  Cluster cluster({}, nobody());
  cluster.offer(Time(1s), 2s, 4);
  cluster.offer(Time(1s), 2s, 4);
  cluster.run_through(Time(2s));
  CHECK(cluster.counts().arrivals == 8);
  CHECK(cluster.counts().waiting == 4);
  cluster.run_through(Time(5s));
  CHECK(cluster.counts().completions == 8);
  CHECK(cluster.counts().late == 8);
  CHECK(cluster.counts().service_seconds == Approx(4));
  CHECK(cluster.counts().service_seconds_squared == Approx(8 * 0.25));
}

TEST_CASE("a scaler keeps within bounds that change while it runs") {
  HpaSettings hpa;
  hpa.min_replicas = 1;
  hpa.max_replicas = 4;
  for (auto make : {+[](HpaSettings const& s) { return hpa_scaler(s, {}, 1); },
                    +[](HpaSettings const& s) { return keda_scaler(s, 5, 1); },
                    +[](HpaSettings const&) { return kpa_scaler({}); },
                    +[](HpaSettings const&) { return policy_scaler({}, {}, true, 1); }}) {
    Cluster cluster({}, make(hpa));
    cluster.run_through(Time(60s));
    CHECK(cluster.current() == 1);
    cluster.set_bounds(3, 5);
    cluster.run_through(Time(120s));
    CHECK(cluster.current() == 3);
  }
}
