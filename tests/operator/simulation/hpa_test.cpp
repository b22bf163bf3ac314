#include "operator/simulation/hpa.hpp"

#include <catch2/catch.hpp>

using namespace ei::simulation;
using namespace std::chrono_literals;

namespace {

Time at(double s) {
  return Time(seconds(s));
}

constexpr double kNow = 10'000;

HpaPod ready_pod(int millicores) {
  HpaPod pod;
  pod.ready = true;
  pod.started = at(1000);
  pod.transition = at(1010);
  pod.cpu = PodCpu{millicores, at(kNow - 5), 15s};
  return pod;
}

HpaPod pod_without_metric() {
  HpaPod pod = ready_pod(0);
  pod.cpu.reset();
  return pod;
}

HpaPod starting_pod(int millicores) {
  HpaPod pod = ready_pod(millicores);
  pod.ready = false;
  pod.started = pod.transition = at(kNow - 20);
  return pod;
}

/// Ready for a few seconds only: its metric's window began before.
HpaPod fresh_pod(int millicores) {
  HpaPod pod = ready_pod(millicores);
  pod.started = at(kNow - 30);
  pod.transition = at(kNow - 10);
  return pod;
}

HpaPod deleted_pod(int millicores) {
  HpaPod pod = ready_pod(millicores);
  pod.deleting = true;
  return pod;
}

}  // namespace

TEST_CASE("replicas asked for by CPU, as the upstream calculator counts them") {
  struct Row {
    int target;
    int current;
    std::vector<HpaPod> pods;
    std::optional<int> expected;
    char const* why;
  };
  for (Row const& row : {
           Row{70, 1, {ready_pod(1000)}, 2, "100/70 = 1.43 of one"},
           Row{70, 2, {ready_pod(1000), ready_pod(1000)}, 3, "1.43 of two is 2.86"},
           Row{70, 3, {ready_pod(1000), ready_pod(1000), ready_pod(1000)}, 5, "1.43 of three is 4.29"},
           Row{90, 1, {ready_pod(1000)}, 2, "100/90 = 1.11 is just outside the tolerance"},
           Row{90, 1, {ready_pod(989)}, 1, "98 % after truncation: 1.09 is tolerated, so it never scales"},
           Row{90, 1, {ready_pod(990)}, 1, "99/90 = 1.1 is just inside"},
           Row{70, 1, {ready_pod(770)}, 1, "77 %: likewise"},
           Row{70, 1, {ready_pod(769)}, 1, "76.9 % is cut to 76, which is tolerated"},
           Row{70,
               4,
               {ready_pod(640), ready_pod(640), ready_pod(640), ready_pod(640)},
               4,
               "64 %: 0.914 is tolerated"},
           Row{70,
               4,
               {ready_pod(300), ready_pod(300), ready_pod(300), ready_pod(300)},
               2,
               "0.43 of four is 1.7"},
           Row{70, 1, {ready_pod(0)}, 0, "nothing is used: bounds make it the minimum"},
           Row{70, 1, {pod_without_metric()}, std::nullopt, "no metric at all is an error"},
           Row{70, 1, {starting_pod(900)}, std::nullopt, "nor do unready pods count"},
           Row{70,
               2,
               {ready_pod(1000), starting_pod(0)},
               2,
               "up: the unready one counts 0, so 0.71, which flips the direction"},
           Row{70,
               3,
               {ready_pod(1000), ready_pod(1000), starting_pod(0)},
               3,
               "up: 66 % over three is tolerated"},
           Row{50,
               3,
               {ready_pod(1000), ready_pod(1000), starting_pod(0)},
               4,
               "up: 66 % of 50 over three is 3.96"},
           Row{70,
               2,
               {ready_pod(1000), fresh_pod(1000)},
               2,
               "a window from before it was ready counts as unready"},
           Row{70,
               2,
               {ready_pod(100), starting_pod(0)},
               1,
               "down: the unready one is left out: 0.14 of one ready pod"},
           Row{70, 2, {ready_pod(1000), pod_without_metric()}, 2, "up: the missing one counts 0"},
           Row{70,
               2,
               {ready_pod(100), pod_without_metric()},
               2,
               "down: the missing one counts 100 %: 55 %, ceil(0.79·2)"},
           Row{70, 2, {ready_pod(500), pod_without_metric()}, 2, "down turned to tolerated"},
           Row{70,
               3,
               {ready_pod(600), pod_without_metric(), pod_without_metric()},
               3,
               "down that would flip to up"},
           Row{70, 2, {ready_pod(1000), deleted_pod(1000)}, 2, "a pod that is being deleted is ignored"},
       }) {
    INFO(row.why);
    HpaSettings settings;
    settings.target_percent = row.target;
    CHECK(hpa_cpu_replicas(settings, row.current, row.pods, at(kNow)) == row.expected);
  }
}

TEST_CASE(
    "a pod that was ready once counts although it is not ready any more, after the initialisation period") {
  HpaPod pod = ready_pod(1000);
  pod.ready = false;
  pod.transition = at(5000);
  CHECK(hpa_cpu_replicas({}, 1, {pod}, at(kNow)) == 2);
  pod.transition = at(1010);  // never: its condition changed within 30 s of the start
  CHECK(hpa_cpu_replicas({}, 1, {pod}, at(kNow)) == std::nullopt);
}

TEST_CASE("an external metric with an average value") {
  struct Row {
    int current;
    double value;
    int expected;
    char const* why;
  };
  for (Row const& row : {
           Row{1, 5, 1, "exactly the threshold"},
           Row{1, 5.4, 1, "within the tolerance"},
           Row{1, 6, 2, "ceil(6/5)"},
           Row{3, 40, 8, "the value alone counts, not the current number"},
           Row{3, 0, 0, "an empty queue"},
       }) {
    INFO(row.why);
    CHECK(hpa_external_replicas({}, row.current, row.value, 5) == row.expected);
  }
}

TEST_CASE("without behavior a step up is at most double, or to four") {
  HpaSettings settings;
  settings.max_replicas = 100;
  CHECK(HpaController(settings).reconcile(1, 50, at(0)) == 4);
  CHECK(HpaController(settings).reconcile(3, 50, at(0)) == 6);
  CHECK(HpaController(settings).reconcile(10, 50, at(0)) == 20);
}

TEST_CASE("with behavior a step up is four more or double within 15 s") {
  HpaSettings settings;
  settings.max_replicas = 100;
  settings.with_behavior = true;
  HpaController controller(settings);
  CHECK(controller.reconcile(1, 50, at(0)) == 5);
  CHECK(controller.reconcile(5, 50, at(5)) == 5);
  CHECK(controller.reconcile(5, 50, at(15)) == 10);
}

TEST_CASE("with behavior what was taken away within 15 s may come back besides") {
  HpaSettings settings;
  settings.max_replicas = 100;
  settings.with_behavior = true;
  settings.downscale_stabilization = {};
  HpaController controller(settings);
  CHECK(controller.reconcile(10, 4, at(0)) == 10);
  CHECK(controller.reconcile(10, 4, at(5)) == 4);
  CHECK(controller.reconcile(4, 50, at(10)) == 20);  // twice the ten of 15 s ago
}

TEST_CASE("with behavior an old recommendation holds back, and never scales up") {
  HpaSettings settings;
  settings.with_behavior = true;
  HpaController controller(settings);
  CHECK(controller.reconcile(3, 6, at(0)) == 6);
  CHECK(controller.reconcile(4, 4, at(15)) == 4);  // somebody else took two away
  CHECK(controller.reconcile(4, 2, at(30)) == 4);
}

TEST_CASE("scaling down follows the highest recommendation of five minutes") {
  HpaController controller{HpaSettings{}};
  CHECK(controller.reconcile(5, 5, at(0)) == 5);
  CHECK(controller.reconcile(5, 1, at(15)) == 5);
  CHECK(controller.reconcile(5, 3, at(150)) == 5);
  CHECK(controller.reconcile(5, 1, at(300)) == 5);
  CHECK(controller.reconcile(5, 1, at(315)) == 3);
  CHECK(controller.reconcile(3, 1, at(450)) == 3);
  CHECK(controller.reconcile(3, 1, at(465)) == 1);
}

TEST_CASE("what runs when the controller starts counts as its first recommendation") {
  HpaController controller{HpaSettings{}};
  CHECK(controller.reconcile(4, 1, at(0)) == 4);
  CHECK(controller.reconcile(4, 1, at(301)) == 1);
}

TEST_CASE("failed metrics change nothing, bounds hold all the same") {
  HpaController controller{HpaSettings{}};
  CHECK(controller.reconcile(3, std::nullopt, at(0)) == 3);
  CHECK(controller.reconcile(9, std::nullopt, at(15)) == 6);
  CHECK(controller.reconcile(0, std::nullopt, at(30)) == 1);
}

TEST_CASE("a saturated service climbs 1, 2, 3, 5 at 70 %") {
  HpaController controller{HpaSettings{}};
  std::vector<int> seen;
  int current = 1;
  for (int i = 0; i < 4; ++i) {
    std::vector<HpaPod> const pods(static_cast<std::size_t>(current), ready_pod(1000));
    current = controller.reconcile(current, hpa_cpu_replicas({}, current, pods, at(kNow)), at(15.0 * i));
    seen.push_back(current);
  }
  CHECK(seen == std::vector<int>{2, 3, 5, 6});
}
