#include "operator/plan/conditions.hpp"

#include <catch2/catch.hpp>

#include "tests/operator/plan/example.hpp"

namespace plan = ei::plan;
using namespace ei::plan::example;
using namespace std::chrono_literals;

namespace {

plan::Verdict blind(std::string fault) {
  auto last = verdict(steady());
  last.metrics_fault = std::move(fault);
  return last;
}

}  // namespace

TEST_CASE("A service that answers is Ready, and says where") {
  CHECK(shown(service(), verdict(steady()), "Ready") ==
        "True Serving: requests are answered at http://127.0.0.1:8001");
  CHECK(shown(service(), verdict(steady()), "DispatcherReady") ==
        "True AllReady: 1 of 1 dispatcher is ready");
  CHECK(shown(service(), verdict(steady()), "WorkersReady") == "True AllReady: 2 of 2 workers are ready");
  CHECK(shown(service(), verdict(steady()), "Paused") == "False NotPaused: decisions are carried out");
}

TEST_CASE("One worker of several is enough to be Ready, and all of them for WorkersReady") {
  auto seen = service();
  seen.workers[1] = starting_worker("worker-1", 2s);
  CHECK(shown(seen, verdict(steady()), "Ready").substr(0, 12) == "True Serving");
  CHECK(shown(seen, verdict(steady()), "WorkersReady") == "False Starting: 1 of 2 workers are ready");
}

TEST_CASE("A worker that leaves counts neither as ready nor as wanted") {
  auto seen = service();
  seen.workers[0].terminating = true;
  seen.workers[1].terminating = true;
  CHECK(shown(seen, verdict(steady()), "Ready") == "False WorkersNotReady: no worker is ready");
}

TEST_CASE("What keeps an instance from starting is told") {
  auto seen = service();
  seen.workers[1] = starting_worker("worker-1", 2s);
  seen.workers[1].trouble = plan::Trouble{"ImagePullBackOff", "no such image"};
  CHECK(shown(seen, verdict(steady()), "WorkersReady") ==
        "False ImagePullBackOff: 1 of 2 workers are ready: no such image");
  seen.dispatchers.clear();
  CHECK(shown(seen, verdict(steady()), "DispatcherReady") == "False Starting: 0 of 1 dispatcher is ready");
  seen.dispatcher_shortage = plan::Trouble{"QuotaExceeded", "exceeded quota: pods=0"};
  CHECK(shown(seen, verdict(steady()), "DispatcherReady") ==
        "False QuotaExceeded: 0 of 1 dispatcher is ready: exceeded quota: pods=0");
  CHECK(shown(seen, verdict(steady()), "Ready") == "False DispatcherNotReady: no dispatcher is ready");
}

TEST_CASE("What workers without a place wait for is told as their condition, and as one event") {
  auto seen = service();
  seen.workers[1] = starting_worker("worker-1", 2s);
  seen.shortage = plan::Shortage{{}, "Unschedulable", "no node has room"};
  CHECK(shown(seen, verdict(steady()), "WorkersReady") ==
        "False Unschedulable: 1 of 2 workers are ready: no node has room");
  CHECK(events(plan::make_plan(seen, verdict(steady()), kNow)) ==
        std::vector<std::string>{"Ready: requests are answered at http://127.0.0.1:8001",
                                 "ScalingLimited: Unschedulable: no node has room"});
  seen.workers[1].trouble = plan::Trouble{"ImagePullBackOff", "no such image"};
  CHECK(shown(seen, verdict(steady()), "WorkersReady") ==
        "False ImagePullBackOff: 1 of 2 workers are ready: no such image");
  seen.workers[1].trouble.reset();
  seen.dispatchers.clear();
  seen.dispatcher_shortage = plan::Trouble{"Unschedulable", "no node has room"};
  CHECK(events(plan::make_plan(seen, verdict(steady()), kNow)) ==
        std::vector<std::string>{"ScalingLimited: Unschedulable: no node has room",
                                 "Unschedulable: 0 of 1 dispatcher is ready: no node has room"});
}

TEST_CASE("Metrics that never came are a start, metrics that stopped coming are a loss") {
  CHECK(shown(service(), blind("no dispatcher yet"), "MetricsAvailable") ==
        "False Starting: no dispatcher yet");
  auto const fresh = settled(service(), verdict(steady()));
  CHECK(shown(fresh, verdict(steady()), "MetricsAvailable") == "True Scraped: the dispatchers answer");
  CHECK(shown(fresh, blind("timed out"), "MetricsAvailable") == "False NoFreshMetrics: timed out");
  auto queried = service();
  queried.spec->prometheus_query = "sum(dispatcher_queue_size)";
  CHECK(shown(queried, verdict(steady()), "MetricsAvailable") ==
        "True Queried: Prometheus answers spec.scaling.prometheusQuery");
}

TEST_CASE("Metrics that do not come though dispatchers have long been ready are a loss, told once") {
  auto const last = blind("PROMETHEUS_URL is not set");
  auto seen = settled(service(), last);
  CHECK(events(plan::make_plan(service(), last, kNow)) ==
        std::vector<std::string>{"Ready: requests are answered at http://127.0.0.1:8001"});
  CHECK(events(plan::make_plan(seen, last, kNow + 20s)).empty());
  auto const made = plan::make_plan(seen, last, kNow + 40s);
  CHECK(find_condition(made.status.conditions, "MetricsAvailable")->reason == "NoFreshMetrics");
  CHECK(events(made) == std::vector<std::string>{"MetricsUnavailable: PROMETHEUS_URL is not set"});
  seen.status = made.status;
  CHECK(events(plan::make_plan(seen, last, kNow + 80s)).empty());
}

TEST_CASE("ScalingLimited says which limit holds the count down") {
  struct Row {
    std::optional<plan::Shortage> shortage;
    ei::scaling::Limit limit;
    int spec_minimum;
    std::string shown;
    std::string why;
  };
  plan::Shortage const cores{2, "NotEnoughCores", "2 cores"};
  plan::Shortage const nodes{{}, "Unschedulable", "no node has room"};
  using ei::scaling::Limit;
  auto const row = GENERATE_COPY(values<Row>({
      {{}, Limit::None, 1, "False WithinLimits: the count is what the load needs", "no limit met"},
      {{},
       Limit::Minimum,
       1,
       "False WithinLimits: the count is what the load needs",
       "the minimum does not limit"},
      {{},
       Limit::Maximum,
       1,
       "True AtMaximum: the load needs more workers than spec.scaling.maxReplicas (6) allows",
       "the spec's own"},
      {cores, Limit::Maximum, 1, "True NotEnoughCores: 2 cores", "the machine's, below the spec's"},
      {cores, Limit::None, 1, "False WithinLimits: the count is what the load needs",
       "room enough for this load"},
      {cores, Limit::None, 3, "True NotEnoughCores: 2 cores", "not even the minimum fits"},
      {plan::Shortage{9, "NotEnoughCores", "9 cores"}, Limit::Maximum, 1,
       "True AtMaximum: the load needs more workers than spec.scaling.maxReplicas (6) allows",
       "the spec's is lower"},
      {nodes, Limit::None, 1, "False WithinLimits: the count is what the load needs",
       "all wanted workers run"},
  }));
  INFO(row.why);
  auto seen = service();
  seen.shortage = row.shortage;
  seen.spec->scaling.min_replicas = row.spec_minimum;
  auto decision = steady();
  decision.limit = row.limit;
  CHECK(shown(seen, verdict(decision), "ScalingLimited") == row.shown);
}

TEST_CASE("Workers that find no node limit the scaling") {
  auto seen = service();
  seen.workers[1] = starting_worker("worker-1", 2s);
  seen.shortage = plan::Shortage{{}, "Unschedulable", "no node has room"};
  CHECK(shown(seen, verdict(steady()), "ScalingLimited") == "True Unschedulable: no node has room");
}

TEST_CASE("An invalid spec and an invalid edit are told in Ready: what serves is not what the spec says") {
  auto seen = service();
  seen.errors = {{"spec.scaling.queueTarget", "Invalid value: 0: must be 1"}};
  CHECK(
      shown(seen, verdict(steady()), "Ready") ==
      "False InvalidEdit: serving the previous spec: spec.scaling.queueTarget: Invalid value: 0: must be 1");
  auto unready = seen;
  unready.dispatchers.clear();
  CHECK(shown(unready, verdict(steady()), "Ready") ==
        "False DispatcherNotReady: no dispatcher is ready; the previous spec is in force: "
        "spec.scaling.queueTarget: Invalid value: 0: must be 1");
  seen.spec.reset();
  auto last = verdict(steady());
  last.decision.reset();
  CHECK(shown(seen, last, "Ready") ==
        "False InvalidSpec: spec.scaling.queueTarget: Invalid value: 0: must be 1");
}

TEST_CASE("Every condition carries the generation it speaks of") {
  for (auto const& condition : plan::next_conditions(service(), verdict(steady()), kNow)) {
    CHECK(condition.observed_generation == 7);
    CHECK(condition.last_transition == kNow);
  }
}

namespace {

/// A service without workers, by a decision that wants `to`.
plan::Observation asleep() {
  auto seen = service(0);
  seen.spec->scaling.min_replicas = 0;
  seen.status.observed_generation = seen.metadata.generation;
  return seen;
}

}  // namespace

TEST_CASE("A service that sleeps is Ready, and says what becomes of a request") {
  auto seen = asleep();
  CHECK(shown(seen, verdict(steady(0)), "Ready")
            .starts_with("True Idle: no worker runs, as no request has come"));
  CHECK(shown(seen, verdict(steady(0)), "WorkersReady") == "True AllReady: 0 of 0 workers are ready");
  CHECK(shown(seen, verdict(steady(0)), "Reconciling").starts_with("False Arrived"));
  seen.spec->scaling.policy = ei::scaling::Policy::External;
  CHECK(shown(seen, verdict(steady(0)), "Ready").starts_with("True Idle: spec.replicas asks for no worker"));
  seen.spec->scaling.paused = true;
  CHECK(shown(seen, verdict(steady(0)), "Ready") == "False WorkersNotReady: no worker is ready");
}

TEST_CASE("A service that sleeps is not Ready with an edit that was not written") {
  auto seen = settled(asleep(), verdict(steady(0)));
  auto failing = verdict(steady(0));
  failing.failure = plan::Failure{ei::make_error(ei::ErrorKind::Timeout, "no answer"), false, false, false};
  // It was written, and whatever else cannot be written keeps no worker from coming.
  CHECK(shown(seen, failing, "Ready").starts_with("True Idle"));
  ++seen.metadata.generation;
  CHECK(shown(seen, failing, "Ready") ==
        "Unknown RollingOut: no worker runs; the newest version is not written yet");
  CHECK(shown(seen, failing, "Reconciling").starts_with("True RollingOut"));
  failing.failure->told = failing.failure->lasting = true;
  CHECK(shown(seen, failing, "Ready").starts_with("False WriteFails: no worker runs; no answer"));
  CHECK(shown(seen, verdict(steady(0)), "Ready").starts_with("True Idle"));
}

TEST_CASE("A service that wakes stays Ready while nothing keeps its worker from starting") {
  auto seen = settled(asleep(), verdict(steady(0)));
  seen.worker_replicas = 1;
  seen.workers = {starting_worker("worker-0", 2s)};
  CHECK(shown(seen, verdict(steady(1)), "Ready").starts_with("True Waking: "));
  CHECK(shown(seen, verdict(steady(1)), "Reconciling").starts_with("False Waking: "));
  auto const waking = settled(seen, verdict(steady(1)));
  CHECK(shown(waking, verdict(steady(1)), "Ready").starts_with("True Waking: "));
  SECTION("it cannot start") {
    seen.workers[0].trouble = plan::Trouble{"ImagePullBackOff", "no such image"};
    CHECK(shown(seen, verdict(steady(1)), "Ready") == "False WorkersNotReady: no worker is ready");
  }
  SECTION("the spec is another one") {
    seen.metadata.generation += 1;
    CHECK(shown(seen, verdict(steady(1)), "Ready") == "False WorkersNotReady: no worker is ready");
  }
  SECTION("it was not asleep") {
    seen.status = {};
    CHECK(shown(seen, verdict(steady(1)), "Ready") == "False WorkersNotReady: no worker is ready");
  }
  SECTION("no dispatcher is there to wait in") {
    seen.dispatchers.clear();
    CHECK(shown(seen, verdict(steady(1)), "Ready") == "False DispatcherNotReady: no dispatcher is ready");
  }
}

TEST_CASE("An edit that is refused is told of a service that sleeps as well") {
  auto seen = asleep();
  seen.errors = {{"spec.scaling.cooldown", "no duration"}};
  CHECK(shown(seen, verdict(steady(0)), "Ready").starts_with("False InvalidEdit"));
}
