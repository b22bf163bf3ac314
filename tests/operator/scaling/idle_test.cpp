#include <catch2/catch.hpp>

#include "operator/scaling/decide.hpp"
#include "tests/operator/scaling/script.hpp"

using namespace ei::scaling;
using namespace ei::scaling::test;
using namespace std::chrono_literals;

namespace {

/// A service that may go to zero after 60 s.
Script elastic(int current = 1) {
  Script script(current);
  script.settings.min_replicas = 0;
  script.settings.idle_after = 60s;
  return script;
}

/// The same without a worker, observed for a while.
Script asleep() {
  Script script = elastic(0);
  for (int i = 0; i < 10; ++i) REQUIRE(script.step(12).to == 0);
  return script;
}

}  // namespace

TEST_CASE("the last worker leaves when no request has come for idleAfter, and not before") {
  Script script = elastic();
  script.rate_rps = 5;
  script.run(30);
  script.rate_rps = 0;
  for (int second = 1; second < 60; ++second) {
    auto const decision = script.step();
    INFO(second);
    CHECK(decision.to >= 1);
    if (second > 20) CHECK(decision.to == 1);
    if (second > 20) CHECK(decision.reason == Reason::UsedLately);
    if (second > 20) CHECK(decision.limit == Limit::IdleAfter);
  }
  auto const decision = script.step();
  CHECK(decision.from == 1);
  CHECK(decision.to == 0);
  CHECK(decision.reason == Reason::Idle);
  CHECK(decision.formula == "no request for 60 s");
}

TEST_CASE("of several workers all leave at once when the service is idle") {
  Script script = elastic(4);
  script.settings.cooldown = 1h;
  script.obedient = false;
  script.run(60);
  CHECK(script.step().to == 0);
}

TEST_CASE("a request that waits or is computed keeps a worker, however long ago it came") {
  for (bool const waits : {true, false}) {
    Script script = elastic();
    script.run(5);
    (waits ? script.sample.queue : script.sample.in_flight) = 1;
    for (int i = 0; i < 200; ++i) CHECK(script.step().to >= 1);
    (waits ? script.sample.queue : script.sample.in_flight) = 0;
    script.set_workers(1);
    script.run(59);
    CHECK(script.workers.current == 1);
    CHECK(script.step().to == 0);
  }
}

TEST_CASE("one request each idleAfter less a second keeps the worker for ever") {
  Script script = elastic();
  script.run(5);
  for (int minute = 0; minute < 20; ++minute) {
    script.sample.arrivals += 1;
    for (int second = 0; second < 59; ++second) REQUIRE(script.step().to == 1);
  }
}

TEST_CASE("lost metrics never take a live service to zero, and what was counted meanwhile is not idle time") {
  Script script = elastic();
  script.rate_rps = 5;
  script.run(20);
  script.rate_rps = 0;
  script.run(30);
  script.blind = true;
  for (int i = 0; i < 300; ++i) CHECK(script.step().to == 1);
  SECTION("nothing came meanwhile: the counters prove it") {
    script.blind = false;
    CHECK(script.step().to == 0);
  }
  SECTION("something came meanwhile") {
    script.sample.arrivals += 1;
    script.blind = false;
    CHECK(script.step().to == 1);
    script.run(59);
    CHECK(script.workers.current == 1);
    CHECK(script.step().to == 0);
  }
  SECTION("the dispatcher has restarted: nobody knows what came") {
    script.sample.epoch = 7;
    script.blind = false;
    script.step();
    script.run(59);
    CHECK(script.workers.current == 1);
    CHECK(script.step().to == 0);
  }
}

TEST_CASE("a service none of whose workers ever got ready does not hide behind zero") {
  Script script = elastic();
  script.set_workers(1, 0);
  Decision last;
  for (int i = 0; i < 300; ++i) {
    last = script.step();
    REQUIRE(last.to == 1);
  }
  CHECK(last.why_not_less == "the last worker goes when it has become ready once");
  script.set_workers(1);
  CHECK(script.step().to == 0);
}

TEST_CASE("one waiting request wakes a service, and three need no more than one worker") {
  for (int const requests : {1, 3}) {
    for (auto const policy : {Policy::Latency, Policy::QueueRatio}) {
      Script script = asleep();
      script.settings.policy = policy;
      script.step(12);
      script.sample.queue = requests;
      script.sample.arrivals += requests;
      script.sample.oldest_age_seconds = 0.02;
      auto const decision = script.step(0.5);
      CHECK(decision.from == 0);
      CHECK(decision.to == 1);
      CHECK(decision.reason == Reason::Woken);
      // While it starts they wait, and nothing more is asked for.
      script.set_workers(1, 0);
      script.sample.oldest_age_seconds = 1;
      CHECK(script.step().to == 1);
      // Nor when it is there, and has not taken the first of them yet.
      script.set_workers(1);
      CHECK(script.step().to == 1);
    }
  }
}

TEST_CASE("a crowd at a sleeping service gets what its queue needs at once") {
  Script script = elastic();
  script.rate_rps = 4;
  script.service_seconds = 0.25;
  script.run(60);
  script.rate_rps = 0;
  script.run(70);
  REQUIRE(script.workers.current == 0);
  script.sample.queue = 50;
  script.sample.arrivals += 50;
  script.called = true;
  auto const decision = script.step(0.05);
  CHECK(decision.reason == Reason::Woken);
  CHECK(decision.to == 6);
  CHECK(decision.formula.rfind(
            "50 waiting, 50 came since the last look, and a dispatcher reported a request; ", 0) == 0);
}

TEST_CASE("a request that came and went between two looks wakes as well") {
  Script script = asleep();
  script.sample.arrivals += 1;
  CHECK(script.step(12).reason == Reason::Woken);
}

TEST_CASE("a dispatcher that called wakes the service, whether it can be asked or not") {
  for (bool const blind : {false, true}) {
    Script script = asleep();
    script.called = true;
    script.blind = blind;
    auto const decision = script.step(0.1);
    CHECK(decision.to == 1);
    CHECK(decision.reason == Reason::Woken);
    CHECK(decision.formula == "a dispatcher reported a request");
  }
}

TEST_CASE("a dispatcher that restarted while the service slept wakes it only with requests") {
  Script script = asleep();
  script.sample = {};
  script.sample.epoch = 9;
  SECTION("none") {
    CHECK(script.step(12).to == 0);
    CHECK(script.step(12).to == 0);
  }
  SECTION("one waits") {
    script.sample.queue = 1;
    script.sample.arrivals = 1;
    CHECK(script.step(12).to == 1);
  }
  SECTION("another one goes on counting") {
    script.sample.arrivals = 100;
    CHECK(script.step(12).to == 0);
    CHECK(script.step(12).to == 0);
  }
}

TEST_CASE("an operator that restarts while the service sleeps leaves it so, and finds what waits") {
  Script script = elastic(0);
  script.sample.arrivals = 4711;
  CHECK(script.step().to == 0);
  State const restarted;
  script.state = restarted;
  script.sample.queue = 1;
  CHECK(script.step(12).to == 1);
}

TEST_CASE("lost metrics do not keep a service at zero") {
  Script script = asleep();
  script.blind = true;
  for (int i = 0; i <= 9; ++i) CHECK(script.step().to == 0);
  Decision decision;
  for (int i = 0; i < 2; ++i) decision = script.step();
  CHECK(script.workers.current == 1);
  CHECK(script.step().to == 1);
  script.blind = false;
  script.run(70);
  CHECK(script.workers.current == 0);
}

TEST_CASE("a new spec is tried by one worker, which leaves after idleAfter") {
  Script script = asleep();
  script.untried = true;
  auto const decision = script.step();
  CHECK(decision.to == 1);
  CHECK(decision.reason == Reason::TriesSpec);
  script.untried = false;
  script.run(59);
  CHECK(script.workers.current == 1);
  script.run(2);
  CHECK(script.workers.current == 0);
}

TEST_CASE("a paused service neither sleeps nor wakes") {
  Script live = elastic();
  live.settings.paused = true;
  live.run(100);
  CHECK(live.workers.current == 1);
  Script script = asleep();
  script.settings.paused = true;
  script.sample.queue = 1;
  auto const decision = script.step();
  CHECK(decision.to == 0);
  CHECK(decision.reason == Reason::Paused);
}

TEST_CASE("under External somebody else says zero") {
  Script script = elastic(2);
  script.settings.policy = Policy::External;
  script.settings.external_replicas = 0;
  CHECK(script.step().to == 0);
  script.sample.queue = 5;
  CHECK(script.step().to == 0);
  script.settings.external_replicas = 2;
  CHECK(script.step().to == 2);
}

TEST_CASE("with a minimum of one nothing sleeps") {
  Script script(1);
  script.settings.idle_after = 1s;
  for (int i = 0; i < 600; ++i) REQUIRE(script.step().to == 1);
}

TEST_CASE("a minimum by the clock wakes, and idle time counts anew when it ends") {
  Script script = asleep();
  script.settings.min_replicas = 1;
  CHECK(script.step().to == 1);
  script.run(100);
  script.settings.min_replicas = 0;
  CHECK(script.step().to == 1);
  script.run(58);
  CHECK(script.workers.current == 1);
  script.run(2);
  CHECK(script.workers.current == 0);
}

TEST_CASE("QueueRatio keeps one worker until idleAfter, inside its interval and its cooldown too") {
  Script script = elastic(3);
  script.settings.policy = Policy::QueueRatio;
  script.settings.interval = 15s;
  script.settings.cooldown = 150s;
  script.obedient = true;
  for (int second = 0; second < 60; ++second) REQUIRE(script.step().to >= 1);
  script.run(2);
  CHECK(script.workers.current == 0);
  script.sample.queue = 120;
  script.sample.arrivals += 120;
  auto const decision = script.step();
  CHECK(decision.to == 3);
  CHECK(decision.reason == Reason::Woken);
}

TEST_CASE("a program behind a webhook says when the last worker leaves, but not while requests wait") {
  Script script = elastic();
  script.settings.policy = Policy::Webhook;
  script.answer = Answer{0, "Night", "", ""};
  script.sample.queue = 1;
  auto const waits = script.step();
  CHECK(waits.to == 1);
  CHECK(waits.reason == Reason::UsedLately);
  CHECK(waits.why_not_less == "the last worker stays while requests wait or are computed");
  script.sample.queue = 0;
  CHECK(script.step().to == 0);
  script.answer = Answer{2, "Morning", "", ""};
  CHECK(script.step().to == 2);
}

TEST_CASE("under a webhook too the first request wakes, whatever its program says or fails to say") {
  for (bool const fails : {false, true}) {
    Script script = elastic(0);
    script.settings.policy = Policy::Webhook;
    script.answer = fails ? Answer{0, "", "", "no answer within 200 ms"} : Answer{0, "Night", "", ""};
    CHECK(script.step().to == 0);
    script.sample.queue = 1;
    script.sample.arrivals += 1;
    auto const decision = script.step();
    CHECK(decision.to == 1);
    CHECK(decision.reason == Reason::Woken);
  }
}

TEST_CASE("where Latency decides instead of a webhook, it goes to zero as Latency does") {
  Script script = elastic();
  script.settings.policy = Policy::Webhook;
  script.settings.on_webhook_failure = WebhookFailure::Latency;
  script.answer = Answer{0, "", "", "no answer within 200 ms"};
  script.run(59);
  CHECK(script.workers.current == 1);
  script.run(3);
  CHECK(script.workers.current == 0);
}

TEST_CASE("a service that is given advice alone is told of zero, and neither goes there nor leaves it") {
  Script live = elastic();
  live.settings.advise = true;
  live.run(100);
  CHECK(live.workers.current == 1);
  auto const decision = live.step();
  CHECK(decision.to == 1);
  CHECK(decision.advised == 0);
  CHECK(decision.reason == Reason::Advised);
  Script script = asleep();
  script.settings.advise = true;
  script.sample.queue = 1;
  CHECK(script.step().to == 0);
  CHECK(script.step().advised == 1);
}
