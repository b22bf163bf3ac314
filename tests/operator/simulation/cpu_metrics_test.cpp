#include "operator/simulation/cpu_metrics.hpp"

#include <catch2/catch.hpp>

using namespace ei::simulation;
using namespace std::chrono_literals;

namespace {

Time at(double s) {
  return Time(seconds(s));
}

/// A worker whose CPU counter stands at `cpu_seconds`; number 0 is sampled at full tens of seconds.
std::vector<SimWorker> worker(double started_s, double cpu_seconds) {
  SimWorker one;
  one.state = WorkerState::Idle;
  one.container_started = at(started_s);
  one.cpu_seconds = cpu_seconds;
  return {one};
}

}  // namespace

TEST_CASE("the rate is between the last two scraped samples") {
  CpuMetrics metrics;
  metrics.housekeep(worker(-100, 40), at(0));
  metrics.scrape(worker(-100, 40));
  CHECK_FALSE(metrics.get(0));
  metrics.housekeep(worker(-100, 45), at(10));
  metrics.scrape(worker(-100, 47));
  CHECK(metrics.get(0) == PodCpu{500, at(10), 10s});
  metrics.housekeep(worker(-100, 55), at(20));
  metrics.housekeep(worker(-100, 65), at(30));
  metrics.scrape(worker(-100, 65));
  CHECK(metrics.get(0) == PodCpu{1000, at(30), 20s});
}

TEST_CASE("a scrape without a newer sample keeps the rate and its age") {
  CpuMetrics metrics;
  metrics.housekeep(worker(-100, 40), at(0));
  metrics.scrape(worker(-100, 40));
  metrics.housekeep(worker(-100, 45), at(10));
  metrics.scrape(worker(-100, 45));
  metrics.scrape(worker(-100, 60));
  CHECK(metrics.get(0) == PodCpu{500, at(10), 10s});
}

TEST_CASE("a container's first sample counts against its start from ten seconds on") {
  struct Row {
    double started_s;
    bool known;
    char const* why;
  };
  for (Row const& row : {
           Row{-9, false, "nine seconds old: too fresh"},
           Row{-10, true, "ten seconds old"},
           Row{-14, true, "within one resolution"},
           Row{-15, false, "older: it takes a second sample"},
       }) {
    INFO(row.why);
    CpuMetrics metrics;
    metrics.housekeep(worker(row.started_s, 5), at(0));
    metrics.scrape(worker(row.started_s, 5));
    CHECK(metrics.get(0).has_value() == row.known);
  }
}

TEST_CASE("only every tenth second is sampled, and workers at different ones") {
  CpuMetrics metrics;
  auto two = worker(-100, 1);
  two.push_back(two.front());
  two[1].id = 1;
  for (int second = 0; second < 30; ++second) {
    two[0].cpu_seconds = two[1].cpu_seconds = second;
    metrics.housekeep(two, at(second));
    metrics.scrape(two);
  }
  CHECK(metrics.get(0)->timestamp == at(20));
  CHECK(metrics.get(1)->timestamp == at(23));
}

TEST_CASE("a pod that is gone has no metrics") {
  CpuMetrics metrics;
  metrics.housekeep(worker(-100, 1), at(0));
  metrics.scrape(worker(-100, 1));
  metrics.housekeep(worker(-100, 1), at(10));
  metrics.scrape({});
  CHECK_FALSE(metrics.get(0));
}
