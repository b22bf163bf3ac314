#include "operator/plan/plan.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

#include "tests/operator/plan/example.hpp"

namespace plan = ei::plan;
namespace api = ei::api;
using namespace ei::plan::example;
using namespace std::chrono_literals;
using ei::scaling::Reason;

TEST_CASE("A new service gets its dispatcher, its minimum of workers and a status, in that order") {
  plan::Observation seen;
  seen.metadata.name = "resnet18";
  seen.spec = api::Spec{};
  auto const settings = plan::settings_in_force(*seen.spec, {}, kNow).settings;
  auto const workers = plan::workers_of(seen, settings, kNow);
  CHECK(workers.current == 1);
  auto last = verdict(steady(1));
  last.metrics_fault = "no dispatcher yet";
  auto const made = plan::make_plan(seen, last, kNow);
  REQUIRE(made.actions.size() == 3);
  CHECK(made.actions[0] == plan::Action(plan::EnsureDispatcher{1}));
  CHECK(made.actions[1] == plan::Action(plan::EnsureWorkers{1}));
  CHECK(std::holds_alternative<plan::WriteStatus>(made.actions[2]));
  CHECK(made.status.desired_replicas == 1);
  CHECK(made.status.replicas == 0);
}

TEST_CASE("A service at rest asks for the same children and writes nothing") {
  auto const seen = settled(service(), verdict(steady()));
  auto last = verdict(steady());
  last.decision_id = "d-2";
  auto const made = plan::make_plan(seen, last, kNow + 1h);
  CHECK(made.actions == plan::Actions{plan::EnsureDispatcher{1}, plan::EnsureWorkers{2}});
  CHECK(made.status == seen.status);
}

TEST_CASE("A status that is written for another reason explains the decision that it names") {
  auto const seen = settled(service(), verdict(steady()));
  auto last = verdict(steady());
  last.decision_id = "d-7";
  last.metrics_fault = "no answer";
  last.decision->why_not_less = std::string(1000, 'x');
  auto const written = all<plan::WriteStatus>(plan::make_plan(seen, last, kNow + 1min));
  REQUIRE(written.size() == 1);
  CHECK(written[0].status.last_decision->id == "d-7");
  REQUIRE(written[0].explanation);
  CHECK(written[0].explanation->why_not_less.size() == api::kExplanationBytes);
}

TEST_CASE("A change of the count goes into children, event, status and history under one id") {
  auto const seen = settled(service(), verdict(steady()));
  auto last = verdict(change(2, 5, Reason::LoadRose, "λ = 40/s"));
  last.decision_id = "d-9";
  auto const made = plan::make_plan(seen, last, kNow);
  CHECK(all<plan::EnsureWorkers>(made).front().replicas == 5);
  auto const told = all<plan::RecordEvent>(made);
  REQUIRE_FALSE(told.empty());
  auto event = told.front();
  CHECK(event.explanation == plan::explanation_of(*last.decision));
  event.explanation.reset();
  CHECK(event == plan::RecordEvent{plan::EventType::Normal, "ScaledUp", "2 -> 5, LoadRose: λ = 40/s", "d-9"});
  auto const written = all<plan::WriteStatus>(made);
  REQUIRE(written.size() == 1);
  CHECK(written[0].status.desired_replicas == 5);
  CHECK(written[0].status.last_decision->id == "d-9");
  CHECK(written[0].explanation == plan::explanation_of(*last.decision));
  REQUIRE(written[0].status.history.size() == 1);
  CHECK(written[0].status.history[0] == *written[0].status.last_decision);
  CHECK(std::holds_alternative<plan::WriteStatus>(made.actions.back()));
}

TEST_CASE("Scaling down is told as such") {
  auto const seen = settled(service(4), verdict(steady(4)));
  CHECK(events(plan::make_plan(seen, verdict(change(4, 2, Reason::LoadFell, "n = 2")), kNow)) ==
        std::vector<std::string>{"ScaledDown: 4 -> 2, LoadFell: n = 2"});
}

TEST_CASE("Pictures that took two workers each are told to the owner") {
  auto const seen = settled(service(), verdict(steady()));
  auto told = verdict(steady());
  told.quarantined = 2;
  CHECK(events(plan::make_plan(seen, told, kNow)) ==
        std::vector<std::string>{
            "PictureQuarantined: 2 pictures are refused for minutes, as two workers ended under each: the "
            "dispatcher's log names the bytes (picture_quarantined)"});
  CHECK(all<plan::RecordEvent>(plan::make_plan(seen, told, kNow)).front().type == plan::EventType::Warning);
}

TEST_CASE("The last decision told is that of the numbers told beside it") {
  auto decision = steady();
  decision.formula = "no load";
  auto const seen = settled(service(), verdict(decision));
  decision.formula = "load: 50/s";
  auto last = verdict(decision);
  last.decision_id = "d-2";
  CHECK(plan::make_plan(seen, last, kNow).status.last_decision->formula == "no load");
  last.decision->inputs.arrival_rps = 50;
  CHECK(plan::make_plan(seen, last, kNow).status.last_decision->formula == "load: 50/s");
}

TEST_CASE("The history keeps the last ten changes, newest first") {
  auto seen = service();
  for (int i = 0; i < 15; ++i) {
    auto last = verdict(change(2, 3, Reason::LoadRose, ""));
    last.decision_id = "d-" + std::to_string(i);
    seen.status = plan::make_plan(seen, last, kNow).status;
  }
  REQUIRE(seen.status.history.size() == 10);
  CHECK(seen.status.history.front().id == "d-14");
  CHECK(seen.status.history.back().id == "d-5");
}

TEST_CASE("A change whose status write failed is recorded by the next one, once, if it came to pass") {
  auto const seen = settled(service(), verdict(steady()));
  auto last = verdict(steady());
  last.unrecorded = plan::record_of("d-lost", change(1, 2, Reason::LoadRose, "f"), 2, kNow);
  auto const made = plan::make_plan(seen, last, kNow);
  REQUIRE(made.status.history.size() == 1);
  CHECK(made.status.history[0].id == "d-lost");
  auto again = seen;
  last.unrecorded->to = 3;
  CHECK(plan::make_plan(again, last, kNow).status.history.empty());
  last.unrecorded->to = 2;
  again.status = made.status;
  CHECK(plan::make_plan(again, last, kNow).status.history.size() == 1);
}

TEST_CASE("No more workers are asked for than the backend can run, and the record says so") {
  auto seen = settled(service(), verdict(steady()));
  seen.shortage = plan::Shortage{2, "NotEnoughCores", "2 cores"};
  auto const made = plan::make_plan(seen, verdict(change(2, 5, Reason::LoadRose, "")), kNow);
  CHECK(all<plan::EnsureWorkers>(made).front().replicas == 2);
  CHECK(made.status.desired_replicas == 2);
  CHECK(made.status.history.empty());
}

TEST_CASE("A worker that never becomes ready is replaced, and why is told") {
  auto seen = settled(service(), verdict(steady()));
  seen.workers[1] = starting_worker("worker-1", 40s);
  seen.workers[1].trouble = plan::Trouble{"Crashed", "exited with 1"};
  auto decision = steady();
  decision.replace = {"worker-1"};
  auto const made = plan::make_plan(seen, verdict(decision), kNow);
  REQUIRE(all<plan::ReplaceWorker>(made).size() == 1);
  CHECK(all<plan::ReplaceWorker>(made)[0].name == "worker-1");
  CHECK(events(made).front() ==
        "WorkerReplaced: worker-1 is not ready for far longer than a start takes: exited with 1");
}

TEST_CASE("Only changes of conditions are events") {
  auto const good = settled(service(), verdict(steady()));
  SECTION("becoming ready") {
    CHECK(events(plan::make_plan(service(), verdict(steady()), kNow)) ==
          std::vector<std::string>{"Ready: requests are answered at http://127.0.0.1:8001"});
    CHECK(events(plan::make_plan(good, verdict(steady()), kNow)).empty());
  }
  SECTION("losing the metrics, and their return") {
    auto blind = verdict(steady());
    blind.metrics_fault = "dispatcher-0: timed out";
    CHECK(events(plan::make_plan(good, blind, kNow)) ==
          std::vector<std::string>{"MetricsUnavailable: dispatcher-0: timed out"});
    auto const lost = settled(good, blind);
    CHECK(events(plan::make_plan(lost, blind, kNow)).empty());
    CHECK(events(plan::make_plan(lost, verdict(steady()), kNow)) ==
          std::vector<std::string>{"MetricsAvailable: the dispatchers answer"});
  }
  SECTION("metrics that are missing at the start") {
    auto blind = verdict(steady());
    blind.metrics_fault = "no dispatcher yet";
    auto const starting = settled(service(), blind);
    CHECK(events(plan::make_plan(starting, verdict(steady()), kNow)).empty());
  }
  SECTION("a limit") {
    auto decision = steady();
    decision.limit = ei::scaling::Limit::Maximum;
    CHECK(events(plan::make_plan(good, verdict(decision), kNow)) ==
          std::vector<std::string>{"ScalingLimited: AtMaximum: the load needs more workers than "
                                   "spec.scaling.maxReplicas (6) allows"});
    CHECK(events(plan::make_plan(settled(good, verdict(decision)), verdict(decision), kNow)).empty());
  }
  SECTION("a schedule's limit") {
    auto decision = steady(2);
    decision.limit = ei::scaling::Limit::Maximum;
    auto scheduled = verdict(decision);
    scheduled.maximum_by = "night";
    CHECK(events(plan::make_plan(good, scheduled, kNow)) ==
          std::vector<std::string>{
              "ScalingLimited: AtMaximum: the load needs more workers than schedule 'night' allows (2)"});
  }
  SECTION("pausing and going on") {
    auto paused = good;
    paused.spec->scaling.paused = true;
    CHECK(events(plan::make_plan(paused, verdict(steady()), kNow)) ==
          std::vector<std::string>{"Paused: spec.scaling.paused keeps the count as it is"});
    auto resumed = settled(paused, verdict(steady()));
    resumed.spec->scaling.paused = false;
    CHECK(events(plan::make_plan(resumed, verdict(steady()), kNow)) ==
          std::vector<std::string>{"Resumed: scaling again"});
  }
  SECTION("trouble of a child") {
    auto broken = good;
    broken.workers[0] = starting_worker("worker-0", 1s);
    broken.workers[0].trouble = plan::Trouble{"Crashed", "exited with 1"};
    CHECK(events(plan::make_plan(broken, verdict(steady()), kNow)) ==
          std::vector<std::string>{"Crashed: 1 of 2 workers are ready: exited with 1"});
    CHECK(events(plan::make_plan(settled(broken, verdict(steady())), verdict(steady()), kNow)).empty());
  }
  SECTION("an invalid edit, told once for each text") {
    auto edited = good;
    edited.errors = {{"spec.x", "unknown field"}};
    CHECK(events(plan::make_plan(edited, verdict(steady()), kNow)) ==
          std::vector<std::string>{"InvalidSpec: serving the previous spec: spec.x: unknown field"});
    CHECK(events(plan::make_plan(settled(edited, verdict(steady())), verdict(steady()), kNow)).empty());
  }
}

TEST_CASE("Advice is in the status and an event, once for each number, and in no child") {
  auto seen = settled(service(), verdict(steady()));
  seen.spec->scaling.advise = true;
  auto decision = steady();
  decision.advised = decision.from + 2;
  decision.reason = ei::scaling::Reason::Advised;
  decision.formula = "advice alone; would go up";
  auto const plan = plan::make_plan(seen, verdict(decision), kNow);
  CHECK(plan.status.recommended_replicas == decision.from + 2);
  CHECK(plan.status.history.empty());
  CHECK(events(plan) ==
        std::vector<std::string>{"Advised: advice alone; would go up",
                                 "Paused: spec.scaling.mode Advise keeps the count as it is"});
  auto const again = plan::make_plan(settled(seen, verdict(decision)), verdict(decision), kNow);
  CHECK(events(again).empty());
  auto acting = settled(seen, verdict(decision));
  acting.spec->scaling.advise = false;
  CHECK_FALSE(plan::make_plan(acting, verdict(steady()), kNow).status.recommended_replicas);
}

TEST_CASE("Without a spec in force children stay as they are and the status tells why") {
  auto seen = service();
  seen.spec.reset();
  seen.errors = {{"spec", "wrong"}};
  plan::Verdict last;
  auto const made = plan::make_plan(seen, last, kNow);
  CHECK(all<plan::EnsureDispatcher>(made).empty());
  CHECK(all<plan::EnsureWorkers>(made).empty());
  CHECK(all<plan::WriteStatus>(made).size() == 1);
}

TEST_CASE("A service that is being deleted is left alone") {
  auto seen = service();
  seen.metadata.deleting = true;
  CHECK(plan::make_plan(seen, verdict(steady()), kNow).actions.empty());
}

TEST_CASE("Moving numbers are written every ten seconds, what people wait for at once") {
  auto const written = settled(service(), verdict(steady())).status;
  struct Row {
    std::string why;
    void (*edit)(api::Status&);
    bool at_once;
  };
  auto const row = GENERATE(values<Row>({
      {"the queue", [](api::Status& status) { status.queue.depth = 9; }, false},
      {"a condition's words", [](api::Status& status) { status.conditions[0].message = "other"; }, false},
      {"why nothing changed", [](api::Status& status) { status.last_decision->reason = "CoolingDown"; },
       false},
      {"replicas", [](api::Status& status) { status.replicas = 9; }, true},
      {"ready replicas", [](api::Status& status) { status.ready_replicas = 9; }, true},
      {"desired replicas", [](api::Status& status) { status.desired_replicas = 9; }, true},
      {"the generation", [](api::Status& status) { status.observed_generation = 9; }, true},
      {"a condition", [](api::Status& status) { status.conditions[0].status = api::ConditionStatus::False; },
       true},
      {"a condition's reason", [](api::Status& status) { status.conditions[0].reason = "Other"; }, true},
      {"a change of the count", [](api::Status& status) { status.history.push_back({}); }, true},
  }));
  INFO(row.why);
  auto next = written;
  row.edit(next);
  CHECK(plan::worth_writing(written, next, 1s) == row.at_once);
  CHECK(plan::worth_writing(written, next, 10s));
  CHECK_FALSE(plan::worth_writing(written, written, 1h));
}

TEST_CASE("Sums of advice that grow are written twice a minute, or with what else is written") {
  auto advised = verdict(steady());
  advised.advice = {{}};
  auto const written = settled(service(), advised).status;
  REQUIRE(written.advice.size() == 1);
  auto next = written;
  ++next.advice[0].acting.core_seconds;
  CHECK_FALSE(plan::worth_writing(written, next, 29s));
  CHECK(plan::worth_writing(written, next, 30s));
  next.queue.depth = 9;
  CHECK_FALSE(plan::worth_writing(written, next, 1s));
  CHECK(plan::worth_writing(written, next, 10s));
  next.ready_replicas = 9;
  CHECK(plan::worth_writing(written, next, 1s));
}

TEST_CASE("Numbers of a queue that could not be asked stay as they were") {
  auto decision = steady();
  decision.inputs.queue = 12;
  decision.inputs.arrival_rps = 3.26;
  decision.inputs.oldest_age_seconds = 0.1234;
  auto const seen = settled(service(), verdict(decision));
  CHECK(seen.status.queue.depth == 12);
  CHECK(seen.status.queue.arrival_rate == Approx(3.3));
  CHECK(seen.status.queue.oldest_age == 120ms);
  auto blind = verdict(steady());
  blind.metrics_fault = "gone";
  CHECK(plan::make_plan(seen, blind, kNow).status.queue.depth == 12);
}

TEST_CASE("The kind of the model's output is told, also while no worker is there to tell it") {
  auto told = verdict(steady());
  told.output = "log_probabilities";
  auto const seen = settled(service(), told);
  CHECK(seen.status.model.output == "log_probabilities");
  CHECK(plan::make_plan(seen, verdict(steady()), kNow).status.model.output == "log_probabilities");
  auto unasked = seen;
  unasked.spec->prometheus_query = "queue";
  CHECK(plan::make_plan(unasked, verdict(steady()), kNow).status.model.output.empty());
}

TEST_CASE("The weights that workers answer with are told, at once when others take over") {
  auto told = verdict(steady());
  told.version = "0123456789ab";
  auto const seen = settled(service(), told);
  CHECK(seen.status.model.version == "0123456789ab");
  CHECK(plan::make_plan(seen, verdict(steady()), kNow).status.model.version == "0123456789ab");
  auto next = seen.status;
  next.model.version = "fedcba987654";
  CHECK(plan::worth_writing(seen.status, next, 1s));
}

TEST_CASE("What the workers compute in is told, and why auto did not take int8") {
  auto told = verdict(steady());
  told.precision = "fp32";
  told.agreement = 0.75;
  auto asked = service();
  asked.spec->model.min_agreement = 0.99;
  auto const seen = settled(asked, told);
  CHECK(seen.status.model.precision == "fp32");
  CHECK(seen.status.model.agreement == 0.75);
  auto const workers = [](api::Status const& status) {
    return api::find_condition(status.conditions, api::kWorkersReady)->message;
  };
  CHECK_THAT(workers(seen.status),
             Catch::Contains("int8 gives the class of fp32 for 0.75 of the calibration pictures, below "
                             "spec.model.minAgreement 0.99: computing in fp32"));
  told.agreement = 0.99;
  told.precision = "int8";
  auto const taken = plan::make_plan(seen, told, kNow).status;
  CHECK(taken.model.precision == "int8");
  CHECK_THAT(workers(taken), !Catch::Contains("int8"));
  // A dispatcher may still tell it of workers that are gone.
  auto unasked = seen;
  unasked.spec->model.min_agreement.reset();
  CHECK_FALSE(plan::make_plan(unasked, told, kNow).status.model.agreement);
  unasked.spec->model.precision = api::Precision::Int8;
  CHECK(plan::make_plan(unasked, told, kNow).status.model.agreement == 0.99);
  told.precision = "bf16";
  told.agreement.reset();
  CHECK_FALSE(plan::make_plan(seen, told, kNow).status.model.agreement);
}

TEST_CASE("Actions have a form for people and logs") {
  CHECK(boost::json::serialize(plan::to_json(plan::Action(plan::EnsureWorkers{3}))) ==
        R"({"action":"EnsureWorkers","replicas":3})");
  CHECK(boost::json::serialize(
            plan::to_json(plan::Action(plan::RecordEvent{plan::EventType::Warning, "R", "m", "d"}))) ==
        R"({"action":"RecordEvent","type":"Warning","reason":"R","message":"m","decision":"d"})");
}
