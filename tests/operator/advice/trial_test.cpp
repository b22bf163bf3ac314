#include "operator/advice/trial.hpp"

#include <catch2/catch.hpp>
#include <numeric>

#include "operator/simulation/arrivals.hpp"
#include "operator/simulation/outcome.hpp"
#include "operator/simulation/scalers.hpp"

using namespace ei;
using namespace ei::advice;
using namespace std::chrono_literals;

namespace {

constexpr ServiceTime kService{0.1, 0.05};
constexpr double kStartSeconds = 3;

/// A second each, `workers` running.
std::vector<Span> hour_of(std::vector<int> const& requests, int workers = 1,
                          std::uint32_t begin = 1'772'582'400) {
  std::vector<Span> out;
  for (int const each : requests)
    out.push_back({begin++, static_cast<std::uint32_t>(each), 0, 10, static_cast<std::uint16_t>(workers)});
  return out;
}

/// Calm, a step to four times as much, and calm.
std::vector<int> step_load() {
  std::vector<int> out(300, 7);
  out.insert(out.end(), 300, 30);
  out.insert(out.end(), 300, 7);
  return out;
}

Modelled run(std::vector<Span> spans, api::Spec const& spec, ServiceTime service = kService) {
  auto trial = Trial::begin(std::move(spans), service, spec, kStartSeconds);
  REQUIRE(trial.has_value());
  while (trial->step()) {
  }
  return trial->result();
}

int most(Modelled const& modelled) {
  return *std::max_element(modelled.workers.begin(), modelled.workers.end());
}

}  // namespace

TEST_CASE("a trial holds the target on a step as the policy does in the simulator") {
  api::Spec spec;
  auto const modelled = run(hour_of(step_load()), spec);
  CHECK(modelled.workers.size() == 900);
  CHECK(modelled.workers.front() <= 2);
  CHECK(most(modelled) >= 4);
  CHECK(modelled.changes > 0);
  REQUIRE(modelled.p50);
  CHECK(*modelled.p50 >= 80ms);
  CHECK(*modelled.p50 <= *modelled.p99);

  simulation::Rng rng(7);
  simulation::Scenario scenario;
  scenario.arrivals = simulation::arrivals(step_load(), rng);
  scenario.service = simulation::service_times(scenario.arrivals.size(), kService.seconds, kService.cv2, rng);
  scenario.trace_length = 900s;
  scenario.start_delay = 3s;
  auto const outcome = simulation::simulate(scenario, simulation::policy_scaler(spec.scaling, {}, true, 1));
  CHECK(modelled.core_seconds == Approx(outcome.core_seconds).epsilon(0.1));
  auto const summary = simulation::summarize(outcome, spec.scaling.latency_target);
  CHECK(modelled.late ==
        Approx(summary.late_ratio * static_cast<double>(outcome.latency_seconds.size())).margin(120));
}

TEST_CASE("other settings give another outcome of the same hour, and the same settings the same one") {
  api::Spec spec;
  auto const hour = hour_of(step_load());
  auto const as_it_is = run(hour, spec);
  CHECK(run(hour, spec) == as_it_is);

  spec.scaling.max_replicas = 2;
  auto const bounded = run(hour, spec);
  CHECK(most(bounded) == 2);
  CHECK(bounded.late > as_it_is.late);
  CHECK(bounded.core_seconds < as_it_is.core_seconds);

  spec.scaling.max_replicas = 6;
  spec.scaling.min_replicas = 5;
  auto const roomy = run(hour, spec);
  CHECK(roomy.workers.front() == 5);
  CHECK(roomy.late < as_it_is.late);
  CHECK(roomy.core_seconds > as_it_is.core_seconds);

  api::Spec classic;
  classic.scaling.policy = scaling::Policy::QueueRatio;
  classic.scaling.interval = 15s;
  CHECK(run(hour, classic).late > as_it_is.late);
}

TEST_CASE("a pause and mode Advise stop no trial") {
  api::Spec spec;
  auto const acting = run(hour_of(step_load()), spec);
  spec.scaling.paused = spec.scaling.advise = true;
  CHECK(run(hour_of(step_load()), spec) == acting);
}

TEST_CASE("a core is what a worker has of it") {
  api::Spec spec;
  auto const whole = run(hour_of(step_load()), spec);
  spec.worker.resources.cpu = "500m";
  CHECK(run(hour_of(step_load()), spec).core_seconds == Approx(whole.core_seconds / 2));
}

TEST_CASE("bounds by the clock hold in a trial at the hours of their own") {
  api::Spec spec;
  // 2026-03-04 00:00 UTC, and ten minutes into it.
  spec.schedule.push_back({.name = "ten past",
                           .cron = "10 0 * * *",
                           .time_zone = "UTC",
                           .duration = 2min,
                           .min_replicas = 5,
                           .max_replicas = std::nullopt});
  auto const modelled = run(hour_of(std::vector<int>(900, 1)), spec);
  CHECK(modelled.workers.at(590) == 1);
  CHECK(modelled.workers.at(605) == 5);
  CHECK(modelled.workers.back() == 1);
}

TEST_CASE("an hour with gaps is lived through as if they were not there") {
  auto hour = hour_of(std::vector<int>(60, 5));
  auto const later = hour_of(std::vector<int>(60, 5), 1, 1'772'582'400 + 1'000);
  hour.insert(hour.end(), later.begin(), later.end());
  auto const modelled = run(hour, {});
  CHECK(modelled.core_seconds == Approx(120).margin(1));
}

TEST_CASE("a step is a second at most, however long a span is") {
  // Five minutes each, as where decisions are that rare.
  std::vector<Span> const hour{{1'772'582'400, 3'001, 0, 3'000, 2}, {1'772'582'700, 600, 0, 3'000, 2}};
  auto trial = Trial::begin(hour, kService, {}, kStartSeconds);
  REQUIRE(trial.has_value());
  int steps = 1;
  while (trial->step()) ++steps;
  CHECK(steps == 600);
  CHECK(trial->result().workers.size() == 2);
  CHECK(trial->result().core_seconds >= 600);
  // As the same requests second by second.
  std::vector<int> seconds(300, 10);
  seconds.back() = 11;
  seconds.insert(seconds.end(), 300, 2);
  auto const fine = run(hour_of(seconds, 2), {});
  CHECK(trial->result().core_seconds == Approx(fine.core_seconds).epsilon(0.05));
}

TEST_CASE("more requests than a trial simulates are taken together") {
  api::Spec spec;
  spec.scaling.max_replicas = 40;
  spec.scaling.queue_target = 5'000;
  auto const modelled = run(hour_of(std::vector<int>(600, 1'000), 12), spec, {0.01, 0.05});
  CHECK(modelled.core_seconds == Approx(600 * 11).epsilon(0.2));
  CHECK(modelled.late < 600);
  REQUIRE(modelled.p99);
  CHECK(*modelled.p99 < 500ms);
}

TEST_CASE("requests that are not answered in time, and those that find the queue full, are late") {
  api::Spec spec;
  spec.scaling.max_replicas = 1;
  spec.dispatcher.queue_capacity = 20;
  spec.dispatcher.request_timeout = 1s;
  std::vector<int> const load(60, 40);  // four times of what a worker serves
  auto const modelled = run(hour_of(load), spec);
  CHECK(modelled.late >= 60 * 29);
  CHECK(modelled.late <= 60 * 40);
  REQUIRE(modelled.p99);
  CHECK(*modelled.p99 <= 1'200ms);
}

TEST_CASE("an hour without a request has no latency") {
  auto const modelled = run(hour_of({0, 0, 0}), {});
  CHECK_FALSE(modelled.p50);
  CHECK_FALSE(modelled.p99);
  CHECK(modelled.late == 0);
}

TEST_CASE("a policy that decides elsewhere cannot be tried") {
  for (auto const policy : {scaling::Policy::External, scaling::Policy::Webhook}) {
    api::Spec spec;
    spec.scaling.policy = policy;
    auto const trial = Trial::begin(hour_of({1}), kService, spec, kStartSeconds);
    REQUIRE_FALSE(trial.has_value());
    CHECK(trial.error().kind == ErrorKind::Invalid);
    CHECK(trial.error().message.find("allowed in a trial: Latency, QueueRatio") != std::string::npos);
  }
}
