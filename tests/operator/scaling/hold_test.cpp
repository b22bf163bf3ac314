#include <catch2/catch.hpp>

#include "tests/operator/scaling/script.hpp"

using namespace ei::scaling;
using namespace ei::scaling::test;

TEST_CASE("fewer workers only after the whole hold window needed no more") {
  Script script(1);
  script.rate_rps = 40;
  int const high = script.run(30).to;
  REQUIRE(high > 3);
  script.rate_rps = 2;
  int seconds = 0;
  while (script.step().to == high) {
    ++seconds;
    REQUIRE(seconds < 60);
  }
  // The load window empties over ten seconds; the hold adds five.
  CHECK(seconds >= 5);
  CHECK(seconds <= 20);
  CHECK(script.run(30).to == 1);
}

TEST_CASE("a hold says what it waits for") {
  Script script(1);
  script.rate_rps = 40;
  script.run(30);
  script.rate_rps = 1;
  bool held = false;
  for (int i = 0; i < 12; ++i) {
    Decision const decision = script.step();
    if (decision.reason != Reason::HoldingAfterLoad) continue;
    held = true;
    CHECK(decision.limit == Limit::HoldWindow);
    CHECK(decision.why_not_less.find("were needed within the last 5.0 s") != std::string::npos);
  }
  CHECK(held);
}

TEST_CASE("at the minimum nothing is held, from the first sample on") {
  Script script(2);
  script.settings.min_replicas = 2;
  for (int i = 0; i < 20; ++i) {
    Decision const decision = script.step();
    CHECK(decision.to == 2);
    CHECK(decision.reason == Reason::Steady);
  }
  CHECK(script.step().limit == Limit::Minimum);
  script.rate_rps = 1;
  CHECK(script.run(30).reason == Reason::Steady);
}

TEST_CASE("a cooldown shorter than the hold window shortens it, a slow start lengthens it") {
  Script script(2);
  script.rate_rps = 10;
  CHECK(script.run(5).inputs.hold_seconds == 5);
  script.settings.cooldown = std::chrono::seconds(2);
  CHECK(script.step().inputs.hold_seconds == 2);
  script.settings.cooldown = std::chrono::seconds(150);
  script.workers.list[0].start_seconds = 20;
  CHECK(script.step().inputs.hold_seconds == 20);
}

TEST_CASE("a restarted operator does not scale down before it has seen one full window") {
  Script script(5);
  Decision decision = script.run(5);
  CHECK(decision.to == 5);
  CHECK(decision.reason == Reason::ObservingFirst);
  CHECK(decision.limit == Limit::FirstWindow);
  CHECK(script.run(8).to == 1);
}

TEST_CASE("after another policy nothing is scaled down before one full window under this one") {
  for (Policy const before : {Policy::External, Policy::QueueRatio}) {
    Script script(4);
    script.settings.policy = before;
    script.settings.external_replicas = 4;
    script.settings.queue_target = 1;
    script.obedient = false;  // four stay, whatever the other policy thinks
    script.rate_rps = 2;
    script.run(60);
    script.settings.policy = Policy::Latency;
    script.obedient = true;
    Decision const first = script.step();
    CHECK(first.to == 4);
    CHECK(first.reason == Reason::ObservingFirst);
    CHECK(script.run(20).to == 1);
  }
}

namespace {

/// Calm, a surge whose requests are late until its workers are there, and calm for so long.
Decision surge(Script& script, int calm_seconds) {
  script.rate_rps = 40;
  script.sample.oldest_age_seconds = 1;
  script.obedient = false;  // they start for three seconds
  int needed = 0;
  for (int i = 0; i < 3; ++i) {
    *script.sample.late += 20;
    needed = script.step().to;
  }
  script.obedient = true;
  script.set_workers(needed);
  script.sample.oldest_age_seconds = 0;
  script.run(30);
  script.rate_rps = 4;
  return script.run(calm_seconds);
}

}  // namespace

TEST_CASE("workers that a recurring surge needs are kept, once it has hurt for want of those let go") {
  Script script(1);
  script.sample.late = 0;
  script.rate_rps = 4;
  script.run(30);
  Decision const first = surge(script, 40);
  CHECK(first.to == 1);  // it came for the first time
  CHECK(first.inputs.recurring_workers == 0);
  Decision const second = surge(script, 40);
  CHECK(second.to >= 5);
  CHECK(second.inputs.recurring_workers >= 5);
  CHECK(second.inputs.hold_seconds == 150);
  CHECK(second.reason == Reason::HoldingAfterLoad);
  CHECK(second.limit == Limit::HoldWindow);
  CHECK(script.run(160).to == 1);  // a whole cooldown without it
  CHECK_FALSE(script.state.recurrence);
}

TEST_CASE("one second above the rate is no surge that recurs, though it makes a request late") {
  Script script(1);
  script.sample.late = 0;
  script.rate_rps = 40;
  script.run(40);
  REQUIRE(script.workers.current == 5);
  *script.sample.late += 20;
  script.state.needs.front() = {at(script.now_seconds), 6};
  script.rate_rps = 70;
  script.sample.oldest_age_seconds = 1;
  script.set_workers(5, 4);
  CHECK(script.step().inputs.burst_rps);
  CHECK_FALSE(script.state.recurrence);
}

TEST_CASE("what is no recurring surge") {
  struct Row {
    int calm_seconds;
    double late;
    std::chrono::seconds cooldown;
    char const* why;
  };
  for (Row const& row : {
           Row{200, 20, std::chrono::seconds(150), "longer ago than the cooldown"},
           Row{40, 0, std::chrono::seconds(150), "nobody was late"},
           Row{40, 20, std::chrono::seconds(0), "no cooldown: nobody wants anything kept"},
       }) {
    INFO(row.why);
    Script script(1);
    script.settings.cooldown = row.cooldown;
    script.sample.late = 0;
    script.rate_rps = 4;
    script.run(30);
    for (int i = 0; i < 2; ++i) {
      script.rate_rps = 40;
      script.obedient = false;
      script.sample.oldest_age_seconds = row.late > 0 ? 1 : 0;
      for (int k = 0; k < 3; ++k) {
        *script.sample.late += row.late;
        script.step();
      }
      script.sample.oldest_age_seconds = 0;
      script.obedient = true;
      script.run(30);
      script.rate_rps = 4;
      script.run(row.calm_seconds);
    }
    CHECK(script.workers.current == 1);
    CHECK_FALSE(script.state.recurrence);
  }
}
