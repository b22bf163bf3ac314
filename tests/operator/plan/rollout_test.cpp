#include "operator/plan/rollout.hpp"

#include <catch2/catch.hpp>

#include "operator/plan/conditions.hpp"
#include "tests/operator/plan/example.hpp"

namespace api = ei::api;
namespace plan = ei::plan;
using namespace ei::plan::example;
using namespace std::chrono_literals;

namespace {

/// Two workers of the old version serve, and the first new one starts beside them.
plan::Observation edited() {
  auto seen = service();
  for (auto& each : seen.workers) each.outdated = true;
  seen.workers.push_back(starting_worker("new-0", 2s));
  return seen;
}

plan::Verdict failing(ei::ErrorKind kind, bool lasting) {
  auto last = verdict(steady());
  last.failure = plan::Failure{ei::make_error(kind, "Deployment resnet18-worker: no"), true, lasting, false};
  return last;
}

}  // namespace

TEST_CASE("What runs as specified is Ready and neither on its way nor stalled") {
  CHECK(shown(service(), verdict(steady()), "Reconciling") ==
        "False Arrived: all that runs is of the newest version");
  CHECK(shown(service(), verdict(steady()), "Stalled") == "False NotStalled: nothing needs attention");
}

TEST_CASE("While a rollout runs, Ready is unknown, and Reconciling says how far it is") {
  auto seen = edited();
  CHECK(shown(seen, verdict(steady()), "Reconciling") ==
        "True RollingOut: 0 of 2 workers are on the new version");
  CHECK(shown(seen, verdict(steady()), "Ready") ==
        "Unknown RollingOut: requests are answered; 0 of 2 workers are on the new version");
  CHECK(shown(seen, verdict(steady()), "WorkersReady") ==
        "False RollingOut: 0 of 2 workers are ready, and 2 of the old version");
  // The pods that are ready are as many as are wanted, but one is of the old version.
  seen.workers = {ready_worker("new-0"), ready_worker("old-0")};
  seen.workers[1].outdated = true;
  CHECK(shown(seen, verdict(steady()), "WorkersReady") ==
        "False RollingOut: 1 of 2 workers are ready, and 1 of the old version");
  CHECK(shown(seen, verdict(steady()), "Reconciling") ==
        "True RollingOut: 1 of 2 workers are on the new version");
  auto of_weights = verdict(steady());
  of_weights.mixed_versions = "1 worker answers with the weights a and 1 with b";
  CHECK(shown(seen, of_weights, "Reconciling") ==
        "True RollingOut: 1 of 2 workers are on the new version; 1 worker answers with the weights a and 1 "
        "with "
        "b");
  seen.workers[1].terminating = true;
  seen.workers.push_back(ready_worker("new-1"));
  CHECK(shown(seen, verdict(steady()), "Ready").substr(0, 12) == "True Serving");
  CHECK(shown(seen, verdict(steady()), "WorkersReady") == "True AllReady: 2 of 2 workers are ready");
  CHECK(shown(seen, verdict(steady()), "Reconciling").substr(0, 5) == "False");
}

TEST_CASE("A dispatcher of the old version is a rollout too") {
  auto seen = service();
  seen.dispatchers[0].outdated = true;
  CHECK(shown(seen, verdict(steady()), "Ready") ==
        "Unknown RollingOut: requests are answered; 0 of 1 dispatcher is on the new version");
  CHECK(shown(seen, verdict(steady()), "DispatcherReady") ==
        "False RollingOut: 0 of 1 dispatcher is ready, and 1 of the old version");
}

TEST_CASE("A rollout is no event, and its end is one") {
  auto const before = settled(service(), verdict(steady()));
  auto seen = edited();
  seen.status = before.status;
  auto const made = plan::make_plan(seen, verdict(steady()), kNow);
  CHECK(events(made).empty());
  auto after = service();
  after.status = made.status;
  CHECK(events(plan::make_plan(after, verdict(steady()), kNow)) ==
        std::vector<std::string>{"Ready: requests are answered at http://127.0.0.1:8001"});
}

TEST_CASE("New workers that cannot start leave the old ones serving, and say what to do") {
  auto seen = edited();
  seen.workers[2].trouble = plan::Trouble{"Error", "exit code 1: cannot_load", false};
  CHECK(shown(seen, verdict(steady()), "Reconciling") ==
        "True RollingOut: 0 of 2 workers are on the new version: exit code 1: cannot_load");
  CHECK(shown(seen, verdict(steady()), "WorkersReady") ==
        "False Error: 0 of 2 workers are ready, and 2 of the old version: exit code 1: cannot_load");
  seen.workers[2].trouble->lasting = true;
  CHECK(shown(seen, verdict(steady()), "Stalled") ==
        "True CannotStart: 0 of 2 workers are on the new version (Error: exit code 1: cannot_load), and "
        "workers "
        "of the old version still serve: correct spec.model or spec.worker, or take the edit back");
  CHECK(shown(seen, verdict(steady()), "Reconciling") ==
        "False Stalled: it cannot go on: see the condition Stalled");
  CHECK(shown(seen, verdict(steady()), "Ready").substr(0, 17) == "False CannotStart");
  seen.status = settled(service(), verdict(steady())).status;
  auto const made = plan::make_plan(seen, verdict(steady()), kNow);
  auto const told = events(made);
  CHECK(std::count_if(told.begin(), told.end(),
                      [](auto const& each) { return each.starts_with("CannotStart: 0 of 2 workers"); }) == 1);
  // Between two tries it stays stalled, and nothing is told twice.
  seen.status = made.status;
  seen.workers[2].trouble->lasting = false;
  CHECK(shown(seen, verdict(steady()), "Stalled").substr(0, 16) == "True CannotStart");
  CHECK(events(plan::make_plan(seen, verdict(steady()), kNow)).empty());
  // Until the next edit, or a worker that is ready.
  ++seen.metadata.generation;
  CHECK(shown(seen, verdict(steady()), "Stalled").substr(0, 5) == "False");
  --seen.metadata.generation;
  seen.workers[2] = ready_worker("new-0");
  CHECK(shown(seen, verdict(steady()), "Stalled").substr(0, 5) == "False");
}

TEST_CASE("A service that never started and cannot is stalled too") {
  auto seen = service(1);
  seen.workers = {starting_worker("worker-0", 30s)};
  seen.workers[0].trouble = plan::Trouble{"ImagePullBackOff", "no such image", true};
  CHECK(shown(seen, verdict(steady(1)), "Stalled") ==
        "True CannotStart: 0 of 1 worker is ready (ImagePullBackOff: no such image): correct spec.model or "
        "spec.worker");
  CHECK(shown(seen, verdict(steady(1)), "Ready") == "False WorkersNotReady: no worker is ready");
}

TEST_CASE("A rollout that the backend has given up waiting for is stalled") {
  auto seen = edited();
  seen.workers_overdue = plan::Trouble{"ProgressDeadlineExceeded", "has timed out progressing", true};
  CHECK(shown(seen, verdict(steady()), "Stalled").substr(0, 90) ==
        "True CannotStart: 0 of 2 workers are on the new version (ProgressDeadlineExceeded: has tim");
  seen.workers.push_back(ready_worker("new-1"));
  CHECK(shown(seen, verdict(steady()), "Stalled").substr(0, 61) ==
        "True ProgressDeadlineExceeded: 1 of 2 workers are on the new ");
}

TEST_CASE("A worker in trouble beside one of its version that is ready stalls nothing") {
  auto seen = service();
  seen.workers[1] = starting_worker("worker-1", 30s);
  seen.workers[1].trouble = plan::Trouble{"CrashLoopBackOff", "exit code 1", true};
  CHECK(shown(seen, verdict(steady()), "Stalled").substr(0, 5) == "False");
  CHECK(shown(seen, verdict(steady()), "Ready").substr(0, 4) == "True");
}

TEST_CASE("An edit that the backend refuses stalls at once, and is told once") {
  auto const last = failing(ei::ErrorKind::Invalid, true);
  auto seen = service();
  for (auto& each : seen.workers) each.outdated = true;
  auto const text =
      "Refused: Deployment resnet18-worker: no: what was accepted last is in force, and the write is tried "
      "again; remove what refuses it, or take the edit back";
  CHECK(shown(seen, last, "Stalled") == std::string("True ") + text);
  CHECK(shown(seen, last, "Ready").substr(0, 13) == "False Refused");
  CHECK(shown(seen, last, "WorkersReady") ==
        "False Refused: 0 of 2 workers are ready, and 2 of the old version: Deployment resnet18-worker: no");
  seen.status = settled(service(), verdict(steady())).status;
  auto const made = plan::make_plan(seen, last, kNow);
  auto const told = events(made);
  CHECK(std::count(told.begin(), told.end(), text) == 1);
  seen.status = made.status;
  CHECK(events(plan::make_plan(seen, last, kNow + 1h)).empty());
  // The next edit is told even if it is refused for the same reason.
  ++seen.metadata.generation;
  CHECK(events(plan::make_plan(seen, last, kNow + 1h)) == std::vector<std::string>{text});
}

TEST_CASE("A write that fails for another reason is told, and stalls when it lasts") {
  auto seen = service();
  for (auto& each : seen.workers) each.outdated = true;
  auto last = failing(ei::ErrorKind::Unavailable, false);
  CHECK(
      shown(seen, last, "Reconciling") ==
      "True WriteFails: Deployment resnet18-worker: no: what was accepted last is in force, and the write is "
      "tried again");
  CHECK(shown(seen, last, "Stalled").substr(0, 5) == "False");
  CHECK(shown(seen, last, "Ready").substr(0, 18) == "Unknown WriteFails");
  last.failure->lasting = true;
  CHECK(shown(seen, last, "Stalled").substr(0, 15) == "True WriteFails");
  last.failure->told = false;
  CHECK(shown(seen, last, "Reconciling").substr(0, 15) == "True RollingOut");
}

TEST_CASE("A child that fails beside pods that are all of the newest version leaves the service Ready") {
  auto const last = failing(ei::ErrorKind::Forbidden, true);
  CHECK(shown(service(), last, "Ready").substr(0, 12) == "True Serving");
  CHECK(shown(service(), last, "WorkersReady").substr(0, 4) == "True");
  CHECK(shown(service(), last, "Stalled").substr(0, 12) == "True Refused");
}

TEST_CASE("Invalid specs and invalid edits are stalled") {
  auto seen = service();
  seen.errors = {{"spec.scaling.queueTarget", "Invalid value: 0: must be 1"}};
  CHECK(
      shown(seen, verdict(steady()), "Stalled") ==
      "True InvalidEdit: the previous spec is in force: spec.scaling.queueTarget: Invalid value: 0: must be "
      "1: correct the spec");
  seen.spec.reset();
  auto last = verdict(steady());
  last.decision.reset();
  CHECK(shown(seen, last, "Stalled").substr(0, 16) == "True InvalidSpec");
  CHECK(shown(seen, last, "Reconciling").substr(0, 5) == "False");
}

TEST_CASE(
    "With a child that cannot be written the count is a write of its own, and none where that fails too") {
  auto const seen = settled(service(), verdict(steady()));
  auto last = failing(ei::ErrorKind::Invalid, true);
  last.decision = change(2, 5, ei::scaling::Reason::LoadRose, "f");
  auto made = plan::make_plan(seen, last, kNow);
  CHECK(made.actions.front() == plan::Action(plan::ScaleWorkers{5}));
  CHECK(all<plan::EnsureWorkers>(made).empty());
  CHECK(made.status.desired_replicas == 5);
  CHECK(made.status.history.size() == 1);
  last.failure->count_refused = true;
  made = plan::make_plan(seen, last, kNow);
  CHECK(all<plan::ScaleWorkers>(made).empty());
  CHECK(made.status.desired_replicas == 2);
  CHECK(made.status.history.empty());
}
