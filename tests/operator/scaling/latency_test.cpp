#include <catch2/catch.hpp>

#include "operator/scaling/load.hpp"
#include "tests/operator/scaling/script.hpp"

using namespace ei::scaling;
using namespace ei::scaling::test;

TEST_CASE("a steady load gets the fewest workers that keep the late share") {
  struct Row {
    double rate_rps;
    double service_seconds;
    int workers;
    char const* why;
  };
  for (Row const& row : {
           Row{0, 0.1, 1, "no load: the minimum"},
           Row{2, 0.1, 1, "R = 0.2 on one worker: e^-6 late"},
           Row{9, 0.1, 2, "R = 0.9 on one worker: half would wait too long"},
           Row{20, 0.1, 3, "R = 2 takes more than two"},
           Row{33, 0.1, 4, "R = 3.3 on four: the wait may be three service times"},
           Row{500, 0.1, 6, "far more than the maximum can serve"},
           Row{2.2, 0.25, 2, "a service time of half the target leaves little room to wait"},
       }) {
    INFO(row.why);
    Script script(3);
    script.rate_rps = row.rate_rps;
    script.service_seconds = row.service_seconds;
    Decision const decision = script.run(60);
    CHECK(decision.to == row.workers);
    CHECK(decision.inputs.sample == SampleUse::Fresh);
  }
}

TEST_CASE("the maximum is named as the limit when the load needs more") {
  Script script(6);
  script.rate_rps = 500;
  Decision const decision = script.run(20);
  CHECK(decision.to == 6);
  CHECK(decision.reason == Reason::AtMaximum);
  CHECK(decision.limit == Limit::Maximum);
  CHECK(decision.why_not_more == "the maximum is 6");
}

TEST_CASE("what is explained is the count within the bounds, or the one a pause keeps") {
  Script script(6);
  script.rate_rps = 100;
  auto const about = [](Decision const& decision, int count) {
    CHECK(decision.inputs.load_workers > 6);
    std::string const less = std::to_string(count - 1) + " would leave ";
    CHECK(decision.why_not_less.substr(0, less.size()) == less);
    CHECK(decision.inputs.late_ratio > 0.9);  // ten workers' load
  };
  about(script.run(20), 6);
  script.settings.max_replicas = 4;
  about(script.step(), 4);
  // Nothing bounds it any more but the pause.
  script.settings.max_replicas = 40;
  script.settings.paused = true;
  CHECK(script.step().inputs.late_ratio > 0.9);
}

TEST_CASE("a rise is answered at once, even while other workers start") {
  Script script(1);
  script.rate_rps = 5;
  script.run(30);
  script.obedient = false;
  script.set_workers(2, 1);
  script.rate_rps = 60;
  Decision const decision = script.run(2);
  CHECK(decision.to > 2);
  CHECK(decision.term == Term::Burst);
  CHECK(decision.reason == Reason::BurstSeen);
}

TEST_CASE("a burst is staffed beyond what arrives already, but not beyond half more") {
  Script script(1);
  script.rate_rps = 10;
  script.run(30);
  script.rate_rps = 40;
  Decision const decision = script.step();
  REQUIRE(decision.inputs.burst_rps);
  CHECK(*decision.inputs.burst_rps > 40);
  CHECK(*decision.inputs.burst_rps <= Approx(60));
}

TEST_CASE("what is no burst") {
  struct Row {
    double before_rps;
    double after_rps;
    int seconds;
    bool burst;
    char const* why;
  };
  for (Row const& row : {
           Row{100, 140, 4, false, "a rise below half is what spare capacity takes"},
           Row{1, 3, 1, false, "three requests instead of one are noise"},
           Row{20, 60, 1, true, "three times as many in a second are none"},
           Row{5, 15, 4, true, "few, but for four seconds"},
           Row{0, 20, 1, true, "from nothing"},
       }) {
    INFO(row.why);
    Script script(6);
    script.rate_rps = row.before_rps;
    script.run(40);
    script.rate_rps = row.after_rps;
    CHECK(script.run(row.seconds).inputs.burst_rps.has_value() == row.burst);
  }
}

TEST_CASE("the first seconds of a service are no burst") {
  Script script(1);
  script.rate_rps = 50;
  for (int i = 0; i < 8; ++i) CHECK_FALSE(script.step().inputs.burst_rps);
}

TEST_CASE("a backlog is drained within two seconds beside the load") {
  Script script(2);
  script.rate_rps = 10;
  script.run(20);
  script.sample.queue = 30;
  Decision const decision = script.step();
  CHECK(decision.term == Term::Backlog);
  CHECK(decision.reason == Reason::BacklogGrew);
  CHECK(decision.to == 3);  // ceil(1 busy + 30·0.1/2)
}

TEST_CASE("a short queue is no backlog, an old one is, however short") {
  Script script(2);
  script.rate_rps = 10;
  script.run(20);
  script.sample.queue = 2;
  CHECK(script.step().inputs.backlog_workers == 0);
  script.sample.oldest_age_seconds = 0.3;
  CHECK(script.step().inputs.backlog_workers == 2);
}

TEST_CASE("the queue target only ever scales up") {
  Script script(2);
  script.service_seconds = 0.001;
  script.rate_rps = 20;
  script.run(20);
  script.set_workers(2);
  script.sample.queue = 60;
  Decision decision = script.step();
  CHECK(decision.term == Term::QueueTarget);
  CHECK(decision.inputs.queue_target_workers == 3);
  script.sample.queue = 49;
  decision = script.step();
  CHECK(decision.inputs.queue_target_workers == 0);
}

TEST_CASE("a restarted operator scales up at once where the queue says so") {
  Script script(1);
  script.sample.queue = 200;
  CHECK(script.step().to == 4);  // 1·200/50
}

TEST_CASE("without a known service time a waiting request gets one more worker at a time") {
  Script script(1);
  script.obedient = false;
  script.sample.queue = 3;
  Decision const decision = script.step();
  CHECK(decision.to == 2);
  CHECK(decision.reason == Reason::ServiceUnknown);
  script.set_workers(2, 1);
  CHECK(script.step().to == 2);
  script.set_workers(2);
  CHECK(script.step().to == 3);
}

TEST_CASE("without a known service time nothing is scaled down while requests arrive") {
  Script script(4);
  for (int i = 0; i < 30; ++i) {
    script.sample.arrivals += 1;  // and none is completed
    CHECK(script.step().to >= 4);
  }
}

TEST_CASE("fewer than ten completions keep the service time that was known") {
  Script script(2);
  script.rate_rps = 10;
  script.run(70);
  script.rate_rps = 0;
  script.run(70);
  script.rate_rps = 0.05;
  script.service_seconds = 3;
  Decision const decision = script.run(70);
  CHECK(*decision.inputs.service_seconds == Approx(0.1));
}

TEST_CASE("slow starts are answered with spare workers") {
  struct Row {
    int needed;
    double start_seconds;
    int spare;
    char const* why;
  };
  for (Row const& row : {
           Row{4, 1, 0, "a quick start needs none"},
           Row{4, 5, 0, "nor does one of five seconds, which is what is assumed at first"},
           Row{1, 10, 1, "the third of a worker is one"},
           Row{3, 10, 1, "a third of three"},
           Row{5, 10, 2, "a third of five, rounded up"},
           Row{4, 60, 2, "never more than half"},
           Row{0, 60, 0, "of nothing"},
       }) {
    INFO(row.why);
    CHECK(spare_workers(row.needed, row.start_seconds, 0) == row.spare);
  }
}

TEST_CASE("the accepted late share is generous until the budget of the last minutes is used up") {
  State state;
  state.lateness = {0.4, 100, at(1)};
  CHECK(accepted_late_ratio(state) == 0.02);
  state.lateness = {0.6, 100, at(1)};
  CHECK(accepted_late_ratio(state) == 0.01);
  CHECK(accepted_late_ratio(State{}) == 0.02);
}

TEST_CASE("between two counts, one of them too late and one too costly, it alternates") {
  Script script(4);
  script.rate_rps = 35;  // 1.6 % late on four workers, 0.03 % on five
  script.run(60);
  int with_four = 0;
  for (int i = 0; i < 1000; ++i) {
    int const workers = script.step().to;
    CHECK((workers == 4 || workers == 5));
    with_four += workers == 4;
    CHECK(recent_late_ratio(script.state) < 0.006);
  }
  CHECK(with_four > 150);
  CHECK(with_four < 500);
}

TEST_CASE("a request that waits too long counts as late whatever the formula says") {
  Script script(6);
  script.rate_rps = 10;
  script.run(30);
  CHECK(recent_late_ratio(script.state) < 0.001);
  script.sample.queue = 1;
  script.sample.oldest_age_seconds = 2;
  script.run(5);
  CHECK(recent_late_ratio(script.state) > 0.05);
}

TEST_CASE("where samples count the late answers, these are believed and not the formula") {
  Script script(4);
  script.rate_rps = 35;  // 1.6 % late on four workers, says the formula
  script.sample.late = 0;
  for (int i = 0; i < 300; ++i) CHECK(script.step().to <= 5);
  CHECK(recent_late_ratio(script.state) == 0);
  CHECK(script.workers.current == 4);
  *script.sample.late += 100;
  CHECK(script.step().inputs.recent_late_ratio > 0.005);
  CHECK(script.workers.current == 5);
}

TEST_CASE("another target makes a step of the late answers, which is not taken for a surge") {
  Script script(4);
  script.rate_rps = 20;
  script.sample.late = 1000;
  script.run(100);
  *script.sample.late = 100'000;
  script.step();
  CHECK(recent_late_ratio(script.state) < 0.03);  // one second's answers at most
  *script.sample.late = 10;
  CHECK(script.step().inputs.sample == SampleUse::Fresh);
}

TEST_CASE("a sample without late answers between others is estimated") {
  Script script(6);
  script.rate_rps = 10;
  script.sample.late = 0;
  script.run(30);
  script.sample.late.reset();
  script.sample.oldest_age_seconds = 2;
  script.step();
  CHECK(recent_late_ratio(script.state) > 0.01);
}

TEST_CASE("a busy worker that may queue for long is enough until its queue grows") {
  Script script(1);
  script.service_seconds = 0.03;
  script.workers.list[0].start_seconds = 1;
  script.sample.late = 0;
  script.rate_rps = 30;  // 90 % busy: for ever that would leave too many late
  Decision const calm = script.run(30);
  CHECK(calm.to == 1);
  CHECK(late_ratio(1, 0.9, 0.03, 0, 0.46) > 0.02);
  CHECK(calm.inputs.outlook_seconds == Approx(2));
  script.sample.queue = 7;  // 0.2 s of work, less than what makes a backlog
  Decision const growing = script.step();
  CHECK(growing.inputs.backlog_workers == 0);
  CHECK(growing.inputs.load_workers == 2);
  CHECK(growing.to == 2);
}

TEST_CASE("a rise that is over is no longer extended") {
  Script script(6);
  script.rate_rps = 10;
  script.run(30);
  script.rate_rps = 40;
  CHECK(*script.step().inputs.burst_rps == Approx(60));  // half more than arrives
  script.run(8);
  Decision const later = script.step();
  REQUIRE(later.inputs.burst_rps);  // still far over what came before
  CHECK(*later.inputs.burst_rps == Approx(40));
}

TEST_CASE("the longest wait leaves room for the service and never vanishes") {
  struct Row {
    double target, service, cv2, wait;
    char const* why;
  };
  for (Row const& row : {
           Row{0.5, 0.1, 0, 0.39, "98 % of the target less the service"},
           Row{0.5, 0.1, 1, 0.32, "a varying service takes more room"},
           Row{0.5, 0.6, 0, 0.025, "a service above the target: 5 % of it remains"},
       }) {
    INFO(row.why);
    CHECK(longest_wait_seconds(row.target, row.service, row.cv2) == Approx(row.wait));
  }
}

TEST_CASE("every decision carries its inputs, its formula and why not more or less") {
  Script script(2);
  script.rate_rps = 20;
  Decision const decision = script.run(30);
  CHECK(*decision.inputs.arrival_rps == Approx(20));
  CHECK(*decision.inputs.service_seconds == Approx(0.1));
  CHECK(*decision.inputs.service_cv2 == Approx(0).margin(1e-9));
  CHECK(*decision.inputs.offered_load == Approx(2));
  CHECK(decision.inputs.ready == 3);
  CHECK(decision.term == Term::Load);
  CHECK(decision.formula.find("20.00/s x 0.100 s = 2.00 busy") != std::string::npos);
  CHECK_FALSE(decision.why_not_more.empty());
  CHECK(decision.why_not_less.find("2 would leave 0.") == 0);
  CHECK(decision.formula.find("late(3, 6.0 s ahead) = ") != std::string::npos);
}

TEST_CASE("the same inputs give the same decisions") {
  Script first(1), second(1);
  first.rate_rps = second.rate_rps = 33;
  for (int i = 0; i < 50; ++i) CHECK(first.step() == second.step());
  CHECK(first.state == second.state);
}
