#include "operator/simulation/cluster.hpp"

#include <catch2/catch.hpp>
#include <chrono>

#include "bench/sim/foresight.hpp"
#include "bench/sim/shapes.hpp"
#include "operator/simulation/outcome.hpp"
#include "operator/simulation/scalers.hpp"

using namespace ei::bench;
using namespace std::chrono_literals;

namespace {

Time at(double s) {
  return Time(seconds(s));
}

/// Requests at the given seconds, each taking `service_s`.
Scenario scenario(std::vector<double> const& instants, double service_s, double length_s) {
  Scenario made;
  for (double const s : instants) made.arrivals.push_back(at(s));
  made.service.assign(instants.size(), seconds(service_s));
  made.trace_length = seconds(length_s);
  made.idle = 0s;
  made.exit_delay = 0s;
  return made;
}

Scenario loaded(Shape shape, double factor, double service_s, std::uint64_t seed) {
  Trace const trace = scale(make_trace(shape, seed), factor);
  Rng rng(seed);
  Scenario made;
  made.arrivals = arrivals(trace, rng);
  made.service = service_times(made.arrivals.size(), service_s, 0.01, rng);
  made.trace_length = std::chrono::seconds(trace.size());
  made.fault_seed = seed;
  return made;
}

}  // namespace

TEST_CASE("one worker serves one request at a time, first come first served") {
  auto const outcome = simulate(scenario({1, 1.5, 5}, 1, 10), plan_scaler({1}, false));
  REQUIRE(outcome.latency_seconds.size() == 3);
  CHECK(outcome.latency_seconds[0] == Approx(1));
  CHECK(outcome.latency_seconds[1] == Approx(1.5));
  CHECK(outcome.latency_seconds[2] == Approx(1));
  CHECK(outcome.core_seconds == Approx(10));
  CHECK(outcome.scale_events == 0);
}

TEST_CASE("a new worker serves after its start delay and costs from its creation") {
  auto one = scenario({4.9, 4.9, 5.1, 5.1}, 1, 10);
  one.start_delay = 3s;
  auto const outcome = simulate(one, plan_scaler({1, 1, 2}, false));
  CHECK(outcome.latency_seconds[0] == Approx(1));
  CHECK(outcome.latency_seconds[1] == Approx(1.1));  // taken by the second worker at 5 s
  CHECK(outcome.core_seconds == Approx(10 + 8));
  CHECK(outcome.ready[4] == 1);
  CHECK(outcome.ready[6] == 2);
  CHECK(outcome.scale_events == 1);
}

TEST_CASE("a worker that is told to leave finishes its job, takes no other, and costs until it is gone") {
  auto one = scenario({1, 1, 1.5}, 4, 20);
  one.min_replicas = 2;
  one.exit_delay = 500ms;
  auto const outcome = simulate(one, plan_scaler({2, 2, 1}, false));
  CHECK(outcome.latency_seconds[1] == Approx(4));
  CHECK(outcome.latency_seconds[2] == Approx(7.5));
  CHECK(outcome.core_seconds == Approx(20 + 5.5));
}

TEST_CASE("the trace and the idle time after it are accounted apart") {
  auto one = scenario({1}, 1, 10);
  one.idle = 5s;
  auto const outcome = simulate(one, plan_scaler({1}, false));
  CHECK(outcome.core_seconds == Approx(10));
  CHECK(outcome.core_seconds_with_idle == Approx(15));
}

TEST_CASE("what is left after the idle time is served all the same") {
  auto const outcome = simulate(scenario({1, 1, 1}, 30, 10), plan_scaler({1}, false));
  CHECK(outcome.latency_seconds[2] == Approx(90));
}

TEST_CASE("a job on a worker that dies is served by another") {
  auto one = loaded(Shape::Constant, 0.2, 0.2, 5);
  one.mean_life_seconds = 20;
  one.min_replicas = 2;
  auto const outcome = simulate(one, plan_scaler({2}, false));
  auto const summary = summarize(outcome, one.latency_target);
  CHECK(summary.max_s < 100);
  CHECK(summary.p50_s < 1);
}

TEST_CASE("the same scenario gives the same outcome, bit by bit") {
  auto const one = loaded(Shape::Course, 0.75, 0.14, 9);
  ei::scaling::Settings const settings;
  auto const first = simulate(one, policy_scaler(settings, {}, true, 9));
  auto const second = simulate(one, policy_scaler(settings, {}, true, 9));
  CHECK(first.latency_seconds == second.latency_seconds);
  CHECK(first.replicas == second.replicas);
  CHECK(first.core_seconds == second.core_seconds);
}

TEST_CASE("the policy keeps the target on the course shape where the HPA does not") {
  auto const one = loaded(Shape::Course, 0.75, 0.14, 2);
  auto const ours = summarize(simulate(one, policy_scaler({}, {}, true, 2)), one.latency_target);
  HpaSettings hpa;
  auto const theirs = summarize(simulate(one, hpa_scaler(hpa, {}, 2)), one.latency_target);
  CHECK(ours.p99_s < 0.5);
  CHECK(theirs.p99_s > 10 * ours.p99_s);
  CHECK(ours.core_seconds < theirs.core_seconds);
}

TEST_CASE("the same policy behind a Prometheus scrape is many times slower") {
  auto const one = loaded(Shape::Course, 0.75, 0.14, 2);
  ei::scaling::Settings slow;
  slow.interval = 15s;
  auto const direct = summarize(simulate(one, policy_scaler({}, {}, true, 2)), one.latency_target);
  auto const scraped = summarize(simulate(one, policy_scaler(slow, {15s}, true, 2)), one.latency_target);
  CHECK(scraped.p99_s > 5 * direct.p99_s);
}

TEST_CASE("lost metrics never scale down, and the policy recovers when they are back") {
  auto one = loaded(Shape::Course, 0.75, 0.14, 2);
  one.metrics_lost.push_back({at(300), at(420)});
  auto const outcome = simulate(one, policy_scaler({}, {}, true, 2));
  for (std::size_t second = 303; second < 420; ++second)
    CHECK(outcome.replicas[second] == outcome.replicas[302]);
  CHECK(outcome.replicas[620] <= 3);
}

TEST_CASE("workers that never get ready are replaced until one does") {
  auto one = loaded(Shape::Course, 0.75, 0.14, 4);
  one.start_failure_ratio = 0.5;
  auto const outcome = simulate(one, policy_scaler({}, {}, true, 4));
  CHECK(outcome.ready[380] >= 5);
}

TEST_CASE("the planner keeps the target at no more cores than the policy") {
  auto const one = loaded(Shape::Course, 0.75, 0.14, 2);
  auto const plan = foreseen_plan(one, 0.01);
  auto const bound = summarize(simulate(one, plan_scaler(plan, true)), one.latency_target);
  auto const ours = summarize(simulate(one, policy_scaler({}, {}, true, 2)), one.latency_target);
  CHECK(bound.late_ratio <= 0.01);
  CHECK(bound.core_seconds < ours.core_seconds);
  CHECK(plan.size() == 631);
  for (int const count : plan) CHECK((count >= 1 && count <= 6));
}

TEST_CASE("where not even the maximum is enough the planner still has a plan") {
  auto const one = loaded(Shape::Course, 1, 0.25, 2);
  CHECK(foreseen_plan(one, 0.01).size() == 631);
}

TEST_CASE("percentiles are nearest-rank") {
  Outcome outcome;
  for (int i = 1; i <= 200; ++i) outcome.latency_seconds.push_back(static_cast<float>(i));
  auto const summary = summarize(outcome, 190s);
  CHECK(summary.p50_s == 100);
  CHECK(summary.p99_s == 198);
  CHECK(summary.max_s == 200);
  CHECK(summary.late_ratio == Approx(0.05));
  CHECK(summarize(Outcome{}, 1s).p99_s == 0);
}

TEST_CASE("a million requests are simulated to the last one") {
  // 1,000 a second for 1,000 s on up to 50 workers of 30 ms: under a second. A cost that grew with the square
  // of the requests would not be within a unit test's deadline.
  Scenario one;
  Rng rng(7);
  one.arrivals = arrivals(Trace(1000, 1000), rng);
  one.service = service_times(one.arrivals.size(), 0.03, 0.01, rng);
  one.trace_length = 1000s;
  one.max_replicas = 50;
  ei::scaling::Settings settings;
  settings.max_replicas = 50;
  auto const outcome = simulate(one, policy_scaler(settings, {}, true, 7));
  CHECK(outcome.latency_seconds.size() == 1'000'000);
}

TEST_CASE("the settings of our policy may change with the time") {
  auto made = scenario({}, 0.03, 300);
  ei::scaling::Settings settings;
  auto const settings_at = [&](Time now) {
    auto changed = settings;
    if (now >= at(100) && now < at(200)) changed.min_replicas = 4;
    return changed;
  };
  auto const outcome = simulate(made, policy_scaler(settings, {}, true, 1, {}, {}, settings_at));
  CHECK(outcome.replicas[50] == 1);
  CHECK(outcome.replicas[150] == 4);
  CHECK(outcome.replicas[250] == 1);
}

TEST_CASE("who answers is asked under the settings that the decision is made under") {
  auto made = scenario({}, 0.03, 300);
  ei::scaling::Settings settings;
  settings.policy = ei::scaling::Policy::Webhook;
  auto const settings_at = [&](Time now) {
    auto changed = settings;
    if (now >= at(100) && now < at(200)) changed.min_replicas = 4;
    return changed;
  };
  int asked_for_four = 0;
  auto const answerer = [&](ei::scaling::Settings const& asked, auto const&, Time now) {
    CHECK(asked.min_replicas == settings_at(now).min_replicas);
    asked_for_four += asked.min_replicas == 4 ? 1 : 0;
    ei::scaling::Answer answer;
    answer.replicas = 1;
    return answer;
  };
  auto const outcome = simulate(made, policy_scaler(settings, {}, true, 1, {}, answerer, settings_at));
  CHECK(asked_for_four == 100);
  CHECK(outcome.replicas[50] == 1);
  CHECK(outcome.replicas[150] == 4);
  CHECK(outcome.replicas[250] == 1);
}
