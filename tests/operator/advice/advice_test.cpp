#include "operator/advice/advice.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>

#include "operator/advice/advisor.hpp"
#include "operator/simulation/arrivals.hpp"
#include "operator/simulation/outcome.hpp"
#include "operator/simulation/scalers.hpp"

using namespace ei;
using namespace ei::advice;
using namespace std::chrono_literals;
using scaling::Advisor;
using simulation::Duration;
using simulation::Time;

namespace {

/// 2026-03-04 at some hour.
WallTime at_hour(double hours) {
  return WallTime(std::chrono::seconds(1'772'582'400)) +
         std::chrono::duration_cast<WallTime::duration>(std::chrono::duration<double>(hours * 3600));
}

/// A service as the operator sees it, each second.
class Watched {
 public:
  explicit Watched(std::vector<Advisor> wanted, WallTime begin = at_hour(8), int most = 6, int running = 2)
      : advisors(std::move(wanted)), replicas(running), existing(running), begin_(begin) {
    sample.emplace();
    sample->at = SteadyTime(100s);
    sample->epoch = epoch;
    settings.max_replicas = most;
    beat();
  }

  /// One second with so many requests.
  void second(double requests, double service_seconds = 0.1) {
    now += 1s;
    arrivals += requests;
    service += requests * service_seconds;
    squares += requests * service_seconds * service_seconds * 1.1;
    if (lost) {
      sample.reset();
    } else {
      sample.emplace();
      sample->at = SteadyTime(100s) + now;
      sample->arrivals = sample->completions = arrivals;
      sample->service_seconds = service;
      sample->service_seconds_squared = squares;
      sample->late = late;
      sample->epoch = epoch;
    }
    beat();
  }
  void seconds(int count, double requests, double service_seconds = 0.1) {
    for (int i = 0; i < count; ++i) second(requests, service_seconds);
  }
  api::PolicyCost cost(Advisor advisor) const {
    for (auto const& [each, cost] : advice.report().advisors) {
      if (each == advisor) return cost;
    }
    return {-1, -1, -1};
  }

  Advice advice;
  std::vector<Advisor> advisors;
  scaling::Settings settings;
  std::optional<scaling::Sample> sample;
  double arrivals = 0;
  double service = 0;
  double squares = 0;
  double late = 0;
  double refused = 0;
  std::uint64_t epoch = 1;
  bool lost = false;
  int replicas;
  int existing;
  double cores = 1;
  Duration now{};

 private:
  void beat() {
    advice.take({settings, advisors, sample, refused, replicas, existing, cores, 3, 1000, 30s},
                SteadyTime(100s) + now, begin_ + std::chrono::duration_cast<WallTime::duration>(now));
  }
  WallTime begin_;
};

simulation::Trace wave(int seconds) {
  simulation::Trace trace;
  for (int second = 0; second < seconds; ++second) trace.push_back(second / 300 % 2 == 0 ? 5 : 20);
  return trace;
}

}  // namespace

TEST_CASE("an advisor costs what the simulator says that its policy costs on the same trace") {
  auto const trace = wave(3600);
  simulation::Rng rng(11);
  simulation::Scenario scenario;
  scenario.arrivals = simulation::arrivals(trace, rng);
  scenario.service = simulation::service_times(scenario.arrivals.size(), 0.15, 0.1, rng);
  scenario.trace_length = std::chrono::seconds(trace.size());
  scenario.idle = 0s;
  for (auto const advisor : scaling::kAdvisors) {
    INFO(scaling::name(advisor));
    scaling::Settings const settings;
    auto const known = summarize(simulate(scenario, scaler_of(advisor, settings, 1)), 500ms);
    Watched watched({advisor});
    for (int const requests : trace) watched.second(requests, 0.15);
    CHECK(static_cast<double>(watched.cost(advisor).core_seconds) == Approx(known.core_seconds).epsilon(0.1));
  }
}

TEST_CASE("an HPA at 70 % costs more than the default policy on a wave, and has more late requests") {
  Watched watched({Advisor::Latency, Advisor::Hpa70});
  for (int const requests : wave(3600)) watched.second(requests, 0.15);
  auto const ours = watched.cost(Advisor::Latency);
  auto const hpa = watched.cost(Advisor::Hpa70);
  CHECK(hpa.core_seconds > ours.core_seconds);
  CHECK(hpa.late > ours.late);
}

TEST_CASE("the acting policy's own sums stand beside those of the advisors") {
  Watched watched({Advisor::Kpa});
  watched.cores = 0.5;
  watched.seconds(100, 4);
  watched.late += 7;
  watched.refused += 2;
  watched.existing = 4;
  watched.second(4);
  auto const report = watched.advice.report();
  CHECK(report.acting.core_seconds == 102);  // of 203 worker-seconds
  CHECK(report.acting.late == 9);
  CHECK(report.acting.replicas == 2);
  CHECK(report.requests == 404);
  CHECK(report.measured_seconds == 101);
  CHECK(report.unmeasured_seconds == 0);
}

TEST_CASE("one lost scrape loses nothing, as counters tell what came meanwhile") {
  Watched watched({Advisor::Kpa});
  watched.seconds(10, 4);
  watched.lost = true;
  watched.second(4);
  watched.lost = false;
  watched.second(4);
  auto const report = watched.advice.report();
  CHECK(report.requests == 48);
  CHECK(report.measured_seconds == 12);
  CHECK(report.unmeasured_seconds == 0);
}

TEST_CASE("a longer gap invents neither load nor rest, and counts for nobody") {
  Watched watched({Advisor::Latency, Advisor::Hpa70, Advisor::Kpa});
  watched.seconds(600, 20);
  auto const before = watched.advice.report();
  watched.lost = true;
  watched.seconds(900, 20);
  CHECK(watched.advice.report().advisors == before.advisors);
  watched.lost = false;
  watched.second(20);  // 18,020 requests at once
  auto const after = watched.advice.report();
  CHECK(after.advisors == before.advisors);
  CHECK(after.acting == before.acting);
  CHECK(after.requests == before.requests);
  CHECK(after.unmeasured_seconds == 901);
  watched.second(20);
  CHECK(watched.advice.report().requests == before.requests + 20);
}

TEST_CASE("counters that began again measure nothing until there are two of them") {
  Watched watched({Advisor::Kpa});
  watched.seconds(10, 4);
  watched.epoch = 2;
  watched.second(4);
  CHECK(watched.advice.report().requests == 40);
  CHECK(watched.advice.report().unmeasured_seconds == 1);
  watched.second(4);
  CHECK(watched.advice.report().requests == 44);
}

TEST_CASE("requests of an unknown service time are not measured") {
  Watched watched({Advisor::Kpa});
  watched.now += 1s;
  watched.arrivals = 5;
  watched.sample->at += 1s;
  watched.sample->arrivals = 5;
  watched.second(0);
  CHECK(watched.advice.report().requests == 0);
}

TEST_CASE("the sums begin again at midnight UTC, and the policies go on") {
  Watched watched({Advisor::Kpa}, at_hour(23.9));
  watched.seconds(359, 30);
  auto const replicas = watched.cost(Advisor::Kpa).replicas;
  CHECK(replicas > 3);
  CHECK(watched.advice.report().since == at_hour(23.9));
  watched.seconds(2, 30);
  auto const report = watched.advice.report();
  CHECK(report.since == at_hour(24));
  CHECK(report.requests <= 60);
  CHECK(report.acting.core_seconds <= 4);
  CHECK(watched.cost(Advisor::Kpa).replicas == replicas);
}

TEST_CASE("advice begins again when the advisors or the target change, and follows bounds without") {
  Watched watched({Advisor::Hpa70, Advisor::Latency, Advisor::RayServe});
  watched.seconds(60, 4);
  watched.settings.min_replicas = 3;
  watched.settings.paused = true;
  watched.seconds(60, 4);
  CHECK(watched.advice.report().measured_seconds == 120);
  CHECK(watched.cost(Advisor::Hpa70).replicas == 3);
  CHECK(watched.cost(Advisor::Latency).replicas == 3);
  SECTION("another target") {
    watched.settings.latency_target = 300ms;
  }
  SECTION("another list") {
    watched.advisors.pop_back();
  }
  watched.second(4);
  CHECK(watched.advice.report().measured_seconds == 0);
  CHECK(watched.advice.report().since > at_hour(8));
}

TEST_CASE("at a high rate a job stands for several requests, and costs stay what they are") {
  auto const core_seconds = [](double rate, double service_seconds, Advisor advisor) {
    Watched watched({advisor}, at_hour(8), 100, 20);
    watched.settings.queue_target = 5000;
    watched.seconds(1200, rate, service_seconds);
    return static_cast<double>(watched.cost(advisor).core_seconds);
  };
  for (auto const advisor : {Advisor::Latency, Advisor::Hpa70, Advisor::Kpa}) {
    INFO(scaling::name(advisor));
    double const exact = core_seconds(2000, 0.008, advisor);
    CHECK(core_seconds(4000, 0.004, advisor) == Approx(exact).epsilon(0.1));
  }
}

TEST_CASE("where the minimum is zero, those go there that can come back") {
  Watched watched({Advisor::Latency, Advisor::Hpa70, Advisor::Keda, Advisor::Kpa, Advisor::RayServe});
  watched.settings.min_replicas = 0;
  watched.seconds(60, 4);
  watched.seconds(3600, 0);
  for (auto const& [advisor, cost] : watched.advice.report().advisors) {
    INFO(scaling::name(advisor));
    CHECK(cost.replicas == (advisor == Advisor::Latency || advisor == Advisor::Kpa ? 0 : 1));
  }
  watched.seconds(60, 4);
  for (auto const& [advisor, cost] : watched.advice.report().advisors) CHECK(cost.replicas >= 1);
}

TEST_CASE("jobs have the interval's requests and work, within it and in order") {
  simulation::Rng rng(5);
  Interval interval;
  interval.seconds = 2;
  interval.requests = 1001;
  interval.service_seconds = 0.05;
  interval.service_cv2 = 0.5;
  for (std::size_t const most : {5000UL, 100UL, 1UL}) {
    auto const jobs = jobs_of(interval, Time(7s), most, rng);
    CHECK(jobs.size() <= std::min<std::size_t>(most + 1, 1001));
    double requests = 0;
    double work = 0;
    for (auto const& job : jobs) {
      requests += job.requests;
      work += simulation::in_seconds(job.service);
      CHECK(job.at >= Time(7s));
      CHECK(job.at < Time(9s));
    }
    CHECK(requests == 1001);
    CHECK(work == Approx(1001 * 0.05).epsilon(0.1));
    CHECK(std::is_sorted(jobs.begin(), jobs.end(), [](auto const& a, auto const& b) { return a.at < b.at; }));
  }
}
