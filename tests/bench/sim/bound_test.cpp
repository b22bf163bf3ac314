#include "bench/sim/bound.hpp"

#include <catch2/catch.hpp>
#include <cmath>

#include "bench/sim/foresight.hpp"
#include "bench/sim/shapes.hpp"
#include "operator/simulation/outcome.hpp"
#include "operator/simulation/scalers.hpp"

using namespace ei::bench;

namespace {

Scenario scenario_of(Trace const& trace, double service_seconds, double start_seconds, std::uint64_t seed,
                     int most, double cv2 = 0.01) {
  Scenario scenario;
  Rng spacing(seed);
  Rng service(seed + 1);
  scenario.arrivals = arrivals(trace, spacing);
  scenario.service = service_times(scenario.arrivals.size(), service_seconds, cv2, service);
  scenario.trace_length = std::chrono::seconds(trace.size());
  scenario.start_delay = seconds(start_seconds);
  scenario.max_replicas = most;
  return scenario;
}

/// The least core-seconds of all plans with a count for each second.
double best_of_all_plans(Scenario const& scenario, double late_ratio) {
  auto const length = static_cast<std::size_t>(scenario.trace_length / std::chrono::seconds(1));
  double best = 1e300;
  std::vector<int> plan(length, scenario.min_replicas);
  for (;;) {
    for (bool const lane : {true, false}) {
      auto const played = summarize(simulate(scenario, plan_scaler(plan, lane)), scenario.latency_target);
      if (played.late_ratio <= late_ratio) best = std::min(best, played.core_seconds);
    }
    std::size_t at = 0;
    while (at < length && plan[at] == scenario.max_replicas) plan[at++] = scenario.min_replicas;
    if (at == length) return best;
    ++plan[at];
  }
}

}  // namespace

TEST_CASE("no plan of all plans takes fewer core-seconds than the bound") {
  struct Row {
    Trace trace;
    double service_seconds;
    double start_seconds;
    double late_ratio;
    char const* why;
  };
  for (Row const& row : {
           Row{{3, 3, 3, 3, 3, 3, 3}, 0.2, 1, 0.1, "a steady load"},
           Row{{1, 1, 1, 9, 9, 1, 1}, 0.2, 1, 0.1, "a step"},
           Row{{1, 1, 1, 1, 9, 9, 9}, 0.2, 2, 0.05, "a step at the end, slow starts"},
           Row{{0, 0, 0, 12, 0, 0, 0}, 0.2, 2, 0.3, "one burst of which much may be late"},
           Row{{9, 1, 9, 1, 9, 1, 9}, 0.15, 1, 0.2, "every other second"},
           Row{{6, 6, 6, 6, 6, 6, 6}, 0.3, 0.4, 0.02, "starts within a second"},
           Row{{0, 0, 0, 0, 0, 0, 0}, 0.2, 1, 0.01, "nothing"},
       }) {
    for (std::uint64_t seed : {1U, 2U}) {
      INFO(row.why << ", seed " << seed);
      auto const one = scenario_of(row.trace, row.service_seconds, row.start_seconds, seed, 3, 0.1);
      double const bound = least_core_seconds(one, row.late_ratio);
      CHECK(bound <= best_of_all_plans(one, row.late_ratio) + 1e-9);
      CHECK(bound >= 0.999 * static_cast<double>(row.trace.size()));  // at least the minimum
    }
  }
}

TEST_CASE(
    "the bound is below what a plan that knows the future takes, and the nearer the shorter the requests "
    "are") {
  struct Row {
    double scale;
    double service_seconds;
    double least;  ///< of the plan's core-seconds, as a share
  };
  for (Row const& row : {Row{0.36, 0.25, 0.55}, Row{0.75, 0.14, 0.7}, Row{4.2, 0.03, 0.9}}) {
    INFO(row.service_seconds);
    auto const one =
        scenario_of(scale(make_trace(Shape::Course, 0), row.scale), row.service_seconds, 3, 2, 6);
    auto const plan =
        summarize(simulate(one, plan_scaler(foreseen_plan(one, 0.01), true)), one.latency_target);
    double const bound = least_core_seconds(one, 0.01);
    REQUIRE(plan.late_ratio <= 0.01);
    CHECK(bound <= plan.core_seconds);
    CHECK(bound >= row.least * plan.core_seconds);
  }
}

TEST_CASE("on a steep trace the policies stay above the bound") {
  Trace steep(120, 20);
  for (std::size_t second = 40; second < 80; ++second) steep[second] = 250;
  auto const one = scenario_of(steep, 0.0214, 3, 5, 20);
  double const bound = least_core_seconds(one, 0.01);
  double work = 0;
  for (auto const service : one.service) work += in_seconds(service);
  CHECK(bound > 0.98 * work);
  auto const ours =
      summarize(simulate(one, policy_scaler({.max_replicas = 20}, {}, true, 2)), one.latency_target);
  if (ours.late_ratio <= 0.01) CHECK(bound <= ours.core_seconds);
}
