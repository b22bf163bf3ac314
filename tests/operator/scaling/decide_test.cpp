#include "operator/scaling/decide.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "tests/operator/scaling/script.hpp"

using namespace ei::scaling;
using namespace ei::scaling::test;
using namespace std::chrono_literals;

TEST_CASE("an unusable sample is no data, and nothing is scaled down on it") {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  struct Row {
    std::function<void(Script&)> spoil;
    SampleUse use;
    char const* why;
  };
  for (Row const& row : {
           Row{[](Script& s) { s.blind = true; }, SampleUse::Missing, "the scrape failed"},
           Row{[=](Script& s) { s.sample.queue = kNan; }, SampleUse::Invalid, "a gauge is not a number"},
           Row{[=](Script& s) { s.sample.arrivals = kNan; }, SampleUse::Invalid, "a counter is not a number"},
           Row{[=](Script& s) { s.sample.service_seconds = kInfinity; }, SampleUse::Invalid,
               "a counter is infinite"},
           Row{[](Script& s) { s.sample.in_flight = -1; }, SampleUse::Invalid, "a gauge is negative"},
           Row{[](Script& s) { s.sample.late = -1; }, SampleUse::Invalid, "fewer than none were late"},
           Row{[](Script& s) { s.sample.completions = 0; }, SampleUse::CounterReset, "a counter fell"},
           Row{[](Script& s) { s.sample.epoch = 7; }, SampleUse::CounterReset,
               "another set of dispatchers was summed"},
       }) {
    INFO(row.why);
    Script script(5);
    script.rate_rps = 40;
    script.sample.late = 5;
    script.run(30);
    script.set_workers(5);
    script.rate_rps = 0;
    row.spoil(script);
    Decision const decision = script.step();
    CHECK(decision.inputs.sample == row.use);
    CHECK(decision.to == 5);
    CHECK(decision.reason == Reason::MetricsMissing);
    CHECK(decision.limit == Limit::NoData);
  }
}

TEST_CASE("a sample is stale after two intervals, and not before") {
  Script script(3);
  script.rate_rps = 20;
  script.run(10);
  Snapshot const last = script.snapshot();
  CHECK(decide(script.settings, script.state, last, at(script.now_seconds + 1)).inputs.sample ==
        SampleUse::Repeated);
  CHECK(decide(script.settings, script.state, last, at(script.now_seconds + 2)).inputs.sample ==
        SampleUse::Repeated);
  CHECK(decide(script.settings, script.state, last, at(script.now_seconds + 2.1)).inputs.sample ==
        SampleUse::Stale);
}

TEST_CASE("a sample from the future or from before the last one is not used") {
  Script script(3);
  script.run(5);
  Snapshot snapshot = script.snapshot();
  snapshot.sample->at = at(script.now_seconds + 5);
  CHECK(decide(script.settings, script.state, snapshot, at(script.now_seconds)).inputs.sample ==
        SampleUse::Stale);
  snapshot.sample->at = at(script.now_seconds - 0.5);
  CHECK(decide(script.settings, script.state, snapshot, at(script.now_seconds)).inputs.sample ==
        SampleUse::Stale);
}

TEST_CASE("the same sample twice counts once") {
  Script script(3);
  script.rate_rps = 20;
  script.run(20);
  State const before = script.state;
  Snapshot const again = script.snapshot();
  Decision const decision = decide(script.settings, script.state, again, at(script.now_seconds));
  CHECK(decision.inputs.sample == SampleUse::Repeated);
  CHECK(script.state.samples == before.samples);
  CHECK(script.state.lateness == before.lateness);
}

TEST_CASE("the same sample does not raise the count again once its decision is carried out") {
  Script script(1);
  script.settings.queue_target = 5;
  script.settings.max_replicas = 8;
  script.sample.queue = GENERATE(9, 3);  // over the queue target; under it, with an unknown service time
  Decision const first = script.step();
  CHECK(first.to == 2);
  CHECK(script.workers.current == 2);
  for (int i = 0; i < 3; ++i) {
    Decision const again = decide(script.settings, script.state, script.snapshot(), at(script.now_seconds));
    CHECK(again.inputs.sample == SampleUse::Repeated);
    CHECK(again.to == 2);
  }
}

TEST_CASE("a counter reset keeps the service time, and counts afresh") {
  Script script(3);
  script.rate_rps = 20;
  script.run(30);
  Sample const before = script.sample;
  script.sample = {};
  CHECK(script.step().inputs.sample == SampleUse::CounterReset);
  Decision const decision = script.run(5);
  CHECK(*decision.inputs.service_seconds == Approx(0.1));
  CHECK(*decision.inputs.arrival_rps == Approx(20));
  CHECK(before.arrivals > script.sample.arrivals);
}

TEST_CASE("a gap in the scrapes leaves the rate right") {
  Script script(3);
  script.rate_rps = 20;
  script.run(20);
  script.blind = true;
  script.run(2);
  script.blind = false;
  CHECK(*script.step().inputs.arrival_rps == Approx(20));
}

TEST_CASE("one lost scrape does not restart the hold window, a gap beyond two intervals does") {
  for (auto const& [lost, restarts] : {std::pair{1, false}, std::pair{4, true}}) {
    Script script(5);
    script.run(4);
    script.blind = true;
    script.run(lost);
    script.blind = false;
    Decision const decision = script.run(4);
    INFO(lost << " scrapes lost");
    CHECK((decision.to == 5) == restarts);
  }
}

TEST_CASE("without metrics Hold keeps the count for ever, ScaleToMax goes to the maximum after 10 s") {
  Script script(2);
  script.rate_rps = 5;
  script.run(10);
  script.set_workers(2);
  script.blind = true;
  CHECK(script.run(300).to == 2);

  Script cautious(2);
  cautious.settings.on_metrics_loss = MetricsLoss::ScaleToMax;
  cautious.rate_rps = 9;
  cautious.run(10);
  cautious.blind = true;
  CHECK(cautious.run(10).to == 2);
  Decision const decision = cautious.step();
  CHECK(decision.to == 6);
  CHECK(decision.reason == Reason::MetricsLost);
  CHECK(decision.term == Term::MetricsLoss);
}

TEST_CASE("bounds hold with and without metrics") {
  struct Row {
    int current, minimum, maximum;
    bool blind;
    int to;
    Reason reason;
    char const* why;
  };
  for (Row const& row : {
           Row{1, 2, 6, false, 2, Reason::BelowMinimum, "the minimum was raised"},
           Row{1, 2, 6, true, 2, Reason::BelowMinimum, "the minimum needs no metrics"},
           Row{6, 1, 3, true, 3, Reason::AboveMaximum, "nor does the maximum"},
           Row{2, 2, 6, false, 2, Reason::Steady, "idle at the minimum"},
           Row{3, 3, 3, true, 3, Reason::MetricsMissing, "nothing to choose"},
           Row{0, 0, 6, false, 0, Reason::Idle, "a minimum of none"},
       }) {
    INFO(row.why);
    Script script(row.current);
    script.settings.min_replicas = row.minimum;
    script.settings.max_replicas = row.maximum;
    script.blind = row.blind;
    Decision const decision = script.step();
    CHECK(decision.to == row.to);
    CHECK(decision.reason == row.reason);
  }
}

TEST_CASE("paused holds whatever happens, even out of bounds, and looks on") {
  Script script(4);
  script.settings.paused = true;
  script.settings.max_replicas = 3;
  script.rate_rps = 100;
  Decision const decision = script.run(30);
  CHECK(decision.to == 4);
  CHECK(decision.reason == Reason::Paused);
  CHECK(decision.limit == Limit::Paused);
  CHECK(*decision.inputs.arrival_rps == Approx(100));
  CHECK(decision.advised == 3);
  script.settings.paused = false;
  CHECK(script.step().to == 3);
}

TEST_CASE("advice says what would be done and does nothing") {
  Script script(2);
  script.settings.advise = true;
  script.rate_rps = 30;
  Decision const decision = script.run(30);
  CHECK(decision.to == 2);
  CHECK(decision.reason == Reason::Advised);
  CHECK(decision.limit == Limit::Advice);
  REQUIRE(decision.advised);
  CHECK(*decision.advised > 2);
  CHECK(decision.term == Term::Load);
  CHECK_THAT(decision.formula,
             Catch::StartsWith("advice alone; would go from 2 to " + std::to_string(*decision.advised)));
  CHECK(decision.replace.empty());
  script.settings.advise = false;
  CHECK_FALSE(script.step().advised);
}

TEST_CASE("advice is the same as what is done, while what is done is what there is") {
  Script acting(1);
  Script advising(1);
  advising.settings.advise = true;
  acting.rate_rps = advising.rate_rps = 2;
  for (int second = 0; second < 60; ++second) CHECK(advising.step().advised == acting.step().to);
}

TEST_CASE("External does what somebody set, within the bounds, and needs no metrics") {
  struct Row {
    int wanted, to;
    Limit limit;
  };
  for (Row const& row : {Row{4, 4, Limit::None}, Row{9, 6, Limit::Maximum}, Row{0, 1, Limit::Minimum}}) {
    Script script(2);
    script.settings.policy = Policy::External;
    script.settings.external_replicas = row.wanted;
    script.blind = true;
    Decision const decision = script.step();
    CHECK(decision.to == row.to);
    CHECK(decision.limit == row.limit);
    CHECK(decision.term == Term::External);
  }
}

TEST_CASE("the queue and its arrivals are told under every policy") {
  for (Policy const policy : {Policy::Latency, Policy::QueueRatio, Policy::External}) {
    Script script(2);
    script.settings.policy = policy;
    script.rate_rps = 12;
    script.run(20);
    script.sample.queue = 7;
    script.sample.in_flight = 2;
    script.sample.oldest_age_seconds = 0.5;
    Decision const decision = script.step();
    CHECK(*decision.inputs.queue == 7);
    CHECK(*decision.inputs.in_flight == 2);
    CHECK(*decision.inputs.oldest_age_seconds == 0.5);
    CHECK(*decision.inputs.arrival_rps == Approx(12));
  }
}

TEST_CASE("the classic rule, row by row") {
  struct Row {
    int current, ready;
    double queue;
    int to;
    Reason reason;
    char const* why;
  };
  for (Row const& row : {
           Row{3, 3, 0, 1, Reason::RatioDown, "an empty queue: the minimum"},
           Row{1, 1, 51, 2, Reason::RatioUp, "ceil(1·51/50)"},
           Row{2, 2, 120, 5, Reason::RatioUp, "ceil(2·120/50)"},
           Row{2, 2, 50, 2, Reason::Steady, "exactly the target"},
           Row{4, 4, 20, 2, Reason::RatioDown, "ceil(4·20/50)"},
           Row{4, 4, 1, 1, Reason::RatioDown, "ceil(4·1/50) is the minimum"},
           Row{4, 4, 900, 6, Reason::RatioUp, "72 are wanted, 6 allowed"},
           Row{6, 6, 900, 6, Reason::AtMaximum, "as many as allowed run"},
           Row{3, 2, 200, 3, Reason::WorkersNotReady, "nothing while a replica is not ready"},
           Row{3, 2, 0, 3, Reason::WorkersNotReady, "not even down"},
       }) {
    INFO(row.why);
    Script script(row.current);
    script.settings.policy = Policy::QueueRatio;
    script.settings.interval = 15s;
    script.set_workers(row.current, row.ready);
    script.sample.queue = row.queue;
    Decision const decision = script.step();
    CHECK(decision.to == row.to);
    CHECK(decision.reason == row.reason);
  }
}

TEST_CASE("the classic rule acts every interval, and not within the cooldown of its last action") {
  Script script(1);
  script.settings.policy = Policy::QueueRatio;
  script.settings.interval = 15s;
  script.sample.queue = 100;
  CHECK(script.step().to == 2);  // the first action is free
  CHECK(script.step().reason == Reason::NotDue);
  CHECK(script.step(14).reason == Reason::CoolingDown);
  script.sample.queue = 0;
  CHECK(script.step(15).reason == Reason::CoolingDown);
  for (int i = 0; i < 7; ++i) CHECK(script.step(15).to == 2);
  Decision const decision = script.step(15);
  CHECK(decision.to == 1);
  CHECK(decision.reason == Reason::RatioDown);
}

TEST_CASE("the classic rule holds while metrics are missing") {
  Script script(3);
  script.settings.policy = Policy::QueueRatio;
  script.blind = true;
  CHECK(script.step().to == 3);
}

TEST_CASE("a worker that does not get ready is replaced, one in each start time, with growing patience") {
  Script script(3);
  script.obedient = false;
  script.workers.list[1] = {"stuck", false, 16, {}};
  script.workers.list[2] = {"worse", false, 20, {}};
  CHECK(script.step().replace == std::vector<std::string>{"worse"});  // 3·5 s assumed
  CHECK(script.step().replace.empty());                               // one per 5 s
  script.run(3);
  CHECK(script.step().replace.empty());  // its patience has doubled to 30 s
  script.workers.list[1].not_ready_seconds = 31;
  CHECK(script.step().replace == std::vector<std::string>{"stuck"});
  CHECK(script.state.failed_replacements == 2);
  script.workers.list[2] = {"fresh", true, 0, 2.0};
  script.step();
  CHECK(script.state.failed_replacements == 0);
}

TEST_CASE(
    "a worker of an edit that none has got ready with keeps its crashes and last words for ten minutes") {
  Script script(2);
  script.obedient = false;
  script.workers.list[1] = {"new", false, 599, {}, false};
  CHECK(script.step().replace.empty());
  script.workers.list[1].not_ready_seconds = 601;
  CHECK(script.step().replace == std::vector<std::string>{"new"});
}

TEST_CASE("nobody is replaced when paused, under another policy, or before 10 s") {
  Script script(2);
  script.workers.list[1] = {"stuck", false, 1000, {}};
  script.settings.paused = true;
  CHECK(script.step().replace.empty());
  script.settings.paused = false;
  script.settings.policy = Policy::External;
  script.settings.external_replicas = 2;
  CHECK(script.step().replace.empty());

  Script quick(2);
  quick.workers.list[0].start_seconds = 0.5;
  quick.workers.list[1] = {"slow", false, 9.9, {}};
  CHECK(quick.step().replace.empty());
  quick.workers.list[1].not_ready_seconds = 10.1;
  CHECK(quick.step().replace == std::vector<std::string>{"slow"});
}

TEST_CASE("the expected start is the mean of the last five, each worker counted once") {
  Script script(2);
  script.obedient = false;
  CHECK(script.step().inputs.start_seconds == 5);
  script.workers.list[0].start_seconds = 1;
  script.workers.list[1].start_seconds = 3;
  CHECK(script.run(5).inputs.start_seconds == 2);
  for (int i = 0; i < 5; ++i) {
    script.workers.list[1] = {"new" + std::to_string(i), true, 0, 7.0};
    script.step();
  }
  CHECK(script.step().inputs.start_seconds == 7);
}
