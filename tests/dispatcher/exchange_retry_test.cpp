#include <catch2/catch.hpp>
#include <functional>

#include "tests/dispatcher/exchange_stage.hpp"

using namespace ei;
using namespace ei::dispatcher;
using namespace ei::dispatcher::test;
using namespace std::chrono_literals;

namespace {

// From a second loss to the verdict.
constexpr Duration kJudged = kSameCause;

ExchangeOptions batches(std::size_t size) {
  return {.batch = {.max_size = size, .max_delay = 0ms}};
}

}  // namespace

TEST_CASE("the request of a lost worker goes to another, after the fresh") {
  Stage stage;
  auto& a = stage.asking("a", at(0s));
  auto const first = stage.submit("1");
  auto const second = stage.submit("2");
  stage.die(a, at(1s));
  CHECK(stage.exchange.workers() == 0);
  CHECK(stage.exchange.queue().size() == 2);
  auto& b = stage.asking("b", at(2s));
  CHECK(b.jobs.back().payload == "2");
  stage.answer(b, at(3s));
  stage.ready(b, at(3s));
  CHECK(b.jobs.back().payload == "1");
  stage.answer(b, at(4s));
  CHECK(label(*first) == "1");
  CHECK(label(*second) == "2");
  CHECK(stage.exchange.quarantined(at(4s)) == 0);
}

TEST_CASE("a picture under which two workers are lost is refused with 422, then and for ten minutes") {
  Stage stage;
  auto const request = stage.submit("bad");
  stage.die_under("a", "bad", at(1s));
  CHECK_FALSE(request->outcome);
  stage.die_under("b", "bad", at(2s));
  CHECK_FALSE(request->outcome);  // others might be lost with it
  CHECK(stage.exchange.next_tick() == at(2s + kJudged));
  stage.exchange.tick(at(2s + kJudged));
  CHECK(status(*request) == 422);
  CHECK_THAT(request->outcome->error().message, Catch::Contains("two workers ended"));
  CHECK(stage.exchange.open() == 0);
  CHECK(stage.exchange.queue().empty());
  CHECK(stage.done["bad"] == 1);
  REQUIRE(stage.quarantines.size() == 1);
  CHECK((stage.quarantines[0].digest == "bad" && stage.quarantines[0].bytes == 3));
  CHECK(stage.exchange.quarantines() == 1);
  auto& c = stage.asking("c", at(3s));
  auto const again = stage.exchange.submit(stage.request("bad", at(40s)), at(3s));
  REQUIRE(again.has_error());
  CHECK(again.error().http_status == 422);
  auto const among = stage.request("x", at(40s), 2);
  among->pictures[1].bytes = "bad";
  CHECK(stage.exchange.submit(among, at(3s)).error().http_status == 422);
  CHECK(stage.exchange.drops().quarantined == 4);
  CHECK(c.jobs.empty());
  stage.submit("bat", at(3s));  // of the same size
  CHECK(c.jobs.size() == 1);
  CHECK(stage.exchange.quarantined(at(2s + kJudged + kQuarantinedFor)) == 0);
  CHECK(stage.exchange.submit(stage.request("bad", Time::max()), at(2s + kJudged + kQuarantinedFor)));
}

TEST_CASE("a picture whose retry is answered is suspected no longer") {
  Stage stage;
  for (int round = 0; round < 3; ++round) {
    Time const now = at(round * 10s);
    auto const request = stage.submit("cat", now);
    stage.die_under("a", "cat", now);
    auto& b = stage.asking("b", now + 1s);
    stage.answer(b, now + 2s);
    CHECK(label(*request) == "cat");
    stage.die(b, now + 3s, Ended::Closed);
  }
  CHECK(stage.exchange.quarantines() == 0);
}

TEST_CASE("of a lost batch each is tried alone, and only the guilty one is refused") {
  Stage stage(batches(3));
  std::vector<std::shared_ptr<Submission>> good{stage.submit("one"), stage.submit("three")};
  auto const bad = stage.submit("bad");
  auto& a = stage.asking("a", at(0s));
  REQUIRE(a.jobs.back().items.size() == 3);
  stage.die(a, at(1s));
  CHECK(stage.deaths.back().pictures.size() == 3);
  Time now = at(2s);
  int lost = 0;
  for (int turn = 0; turn < 3; ++turn) {
    auto& worker = stage.asking("w" + std::to_string(turn), now);
    REQUIRE(worker.jobs.size() == 1);
    CHECK(worker.jobs.back().items.size() == 1);
    if (worker.jobs.back().payload == "bad") {
      ++lost;
      stage.die(worker, now += 1s);
    } else {
      stage.answer(worker, now += 1s);
      stage.exchange.bye(worker.id);
    }
    stage.exchange.tick(now += 1s);
  }
  CHECK(lost == 1);
  CHECK(status(*bad) == 422);
  CHECK(label(*good[0]) == "one");
  CHECK(label(*good[1]) == "three");
  CHECK(stage.exchange.quarantines() == 1);
}

TEST_CASE("copies of a picture that takes workers take two of them, however many are sent at once") {
  for (std::size_t batch : {std::size_t{1}, std::size_t{3}}) {
    Stage stage(batches(batch));
    std::vector<FakeWorker*> workers;
    for (int i = 0; i < 8; ++i) workers.push_back(&stage.asking("w" + std::to_string(i), at(0s)));
    std::vector<std::shared_ptr<Submission>> copies;
    for (int i = 0; i < 20; ++i) copies.push_back(stage.copy("c" + std::to_string(i), "bad", at(0s)));
    std::size_t lost = 0;
    for (Time now = at(1ms); now < at(3s); now += 1ms) {
      stage.exchange.tick(now);
      for (auto*& worker : workers) {
        if (worker == nullptr || worker->jobs.empty()) continue;
        stage.die(*worker, now);
        worker = nullptr;
        ++lost;
      }
    }
    CHECK(lost == 2);
    for (auto const& copy : copies) CHECK(status(*copy) == 422);
    CHECK(stage.exchange.queue().empty());
    CHECK(stage.exchange.quarantines() == 1);
  }
}

TEST_CASE(
    "copies of a picture that was never answered wait a second for the first, those of an answered one do "
    "not") {
  Stage stage;
  std::vector<FakeWorker*> workers;
  for (int i = 0; i < 4; ++i) workers.push_back(&stage.asking("w" + std::to_string(i), at(0s)));
  auto const holding = [&] {
    return std::count_if(workers.begin(), workers.end(), [](auto* w) { return !w->jobs.empty(); });
  };
  for (int i = 0; i < 4; ++i) stage.copy("c" + std::to_string(i), "cat", at(0s));
  CHECK(holding() == 1);
  CHECK(stage.exchange.queue().size() == 3);
  CHECK(stage.exchange.next_tick() == at(1s));
  stage.submit("dog", at(0s));
  CHECK(holding() == 2);  // others pass them
  stage.exchange.tick(at(1s));
  CHECK(holding() == 3);
  CHECK(stage.exchange.next_tick() > at(20s));
  stage.answer(*workers[0], at(2s));
  CHECK(holding() == 4);
  stage.ready(*workers[0], at(2s));
  CHECK(workers[0]->jobs.size() == 2);
  CHECK(stage.exchange.queue().empty());
}

TEST_CASE("a copy goes on when the first one's worker fails it, which says nothing of the picture") {
  Stage stage;
  auto& a = stage.asking("a", at(0s));
  auto& b = stage.asking("b", at(0s));
  auto const first = stage.copy("1", "cat", at(0s));
  auto const second = stage.copy("2", "cat", at(0s));
  link::JobResult result;
  result.id = a.jobs.at(0).id;
  result.items = {link::ItemError{500, "not finite"}};
  CHECK(b.jobs.empty());
  REQUIRE(stage.exchange.result(a.id, result, at(1ms)));
  CHECK(status(*first) == 500);
  REQUIRE(b.jobs.size() == 1);
  stage.answer(b, at(2ms));
  CHECK(label(*second) == "cat");
  CHECK(stage.deaths.empty());
}

TEST_CASE("every worker lost at once loses nothing: each request is answered by those that come") {
  for (bool twice : {false, true}) {
    Stage stage;
    std::vector<std::shared_ptr<Submission>> requests;
    for (int i = 0; i < 20; ++i) {
      stage.asking("a" + std::to_string(i), at(0s));
      requests.push_back(stage.submit("r" + std::to_string(i), at(0s)));
    }
    for (int i = 0; i < 20; ++i) stage.die(stage.workers.at("a" + std::to_string(i)), at(1s) + i * 1ms);
    CHECK(stage.exchange.queue().retries() == 20);
    Time now = at(2s);
    std::vector<FakeWorker*> second;
    for (int i = 0; i < 20; ++i) second.push_back(&stage.asking("b" + std::to_string(i), now));
    std::size_t held = 0;
    if (twice) {
      for (auto* worker : second) held += worker->jobs.size();
      for (auto* worker : second) stage.die(*worker, now += 1ms);
      now += 1s;
      stage.exchange.tick(now);
      second.clear();
      for (int i = 0; i < 20; ++i) second.push_back(&stage.asking("c" + std::to_string(i), now));
    }
    for (int round = 0; round < 20; ++round) {
      now += 20ms;
      for (auto* worker : second) {
        if (worker->jobs.empty()) continue;
        stage.answer(*worker, now);
        worker->jobs.clear();
        stage.ready(*worker, now);
      }
    }
    std::size_t answered = 0;
    for (auto const& request : requests) {
      REQUIRE(request->outcome);
      if (request->outcome->has_value()) {
        ++answered;
        continue;
      }
      CHECK(status(*request) == 502);  // two unlucky losses, which is nobody's fault
      CHECK(request->outcome->error().retry_after == 1000ms);
    }
    CHECK(answered == 20 - held);
    CHECK((twice ? held > 0 : held == 0));
    CHECK(stage.exchange.quarantines() == 0);
  }
}

TEST_CASE("a picture under which workers are lost again and again is refused, whatever is lost beside it") {
  Stage stage;
  Time now = at(0s);
  auto const lose = [&](std::string const& name) {
    auto& idle = stage.worker("idle" + name, 1, now);
    auto& worker = stage.asking(name, now);
    REQUIRE(worker.jobs.size() == 1);
    stage.die(worker, now += 10ms);
    stage.die(idle, now += 10ms);
    stage.exchange.tick(now += 1s);
  };
  auto const first = stage.copy("1", "bad", now);
  lose("a");
  CHECK_FALSE(first->outcome);
  lose("b");
  CHECK(status(*first) == 502);
  CHECK(stage.exchange.quarantines() == 0);
  auto const second = stage.copy("2", "bad", now);
  lose("c");
  CHECK(status(*second) == 422);
  CHECK(stage.exchange.quarantines() == 1);
  CHECK(stage.exchange.deaths()[static_cast<std::size_t>(DeathReason::Idle)] == 3);
}

TEST_CASE("how a worker was lost decides whether it tells against its job") {
  struct Row {
    char const* why;
    std::function<void(Stage&, FakeWorker&, Time)> lose;
    int status;
    DeathReason reason;
  };
  std::vector<Row> const rows{
      {"a reset is a crash", [](Stage& s, FakeWorker& w, Time now) { s.die(w, now); }, 422,
       DeathReason::Crash},
      {"it said that the job takes for ever",
       [](Stage& s, FakeWorker& w, Time now) {
         REQUIRE(s.exchange.overrun(w.id, w.jobs.back().id, now));
         REQUIRE(s.exchange.ready(w.id, now));  // it was on its way
         s.die(w, now + 1ms);
       },
       422, DeathReason::Overrun},
      {"it was killed while it left, as a scale-down may do",
       [](Stage& s, FakeWorker& w, Time now) {
         s.exchange.bye(w.id);
         s.die(w, now);
       },
       502, DeathReason::Leaving},
      {"it closed the connection: it lives",
       [](Stage& s, FakeWorker& w, Time now) { s.die(w, now, Ended::Closed); }, 502, DeathReason::Leaving},
      {"it broke the protocol: it lives",
       [](Stage& s, FakeWorker& w, Time now) { s.die(w, now, Ended::Broken); }, 502, DeathReason::Protocol}};
  for (auto const& row : rows) {
    INFO(row.why);
    Stage stage;
    auto const request = stage.submit("cat");
    Time now = at(0s);
    for (int i = 0; i < 2; ++i) {
      auto& worker = stage.asking("w" + std::to_string(i), now += 1s);
      REQUIRE(worker.jobs.size() == 1);
      row.lose(stage, worker, now += 1s);
    }
    stage.exchange.tick(now += 1s);
    CHECK(status(*request) == row.status);
    REQUIRE(stage.deaths.size() == 2);
    CHECK(stage.deaths.back().reason == row.reason);
    CHECK(stage.exchange.deaths()[static_cast<std::size_t>(row.reason)] == 2);
    CHECK((stage.exchange.quarantined(now) == 1) == (row.status == 422));
  }
}

TEST_CASE("an overrun tells against its own job alone, and only from who holds it") {
  Stage stage;
  auto& worker = stage.worker("w", 2);
  stage.ready(worker);
  stage.ready(worker);
  stage.submit("slow");
  stage.submit("behind");
  CHECK(stage.exchange.overrun(worker.id, 99, at(1s)).error().kind == ErrorKind::Protocol);
  REQUIRE(stage.exchange.overrun(worker.id, worker.jobs[0].id, at(1s)));
  CHECK(stage.exchange.queue().retries() == 2);
  REQUIRE(stage.deaths.size() == 1);
  CHECK(stage.deaths[0].pictures[0].digest == "slow");
  CHECK(stage.deaths[0].pictures[1].digest.empty());
  stage.die(worker, at(2s));
  CHECK(stage.deaths.size() == 1);
}

TEST_CASE("a client that leaves does not take the evidence with it") {
  Stage stage;
  for (int i = 0; i < 2; ++i) {
    auto const request = stage.copy("r" + std::to_string(i), "bad", at(i * 1s));
    auto& worker = stage.asking("w" + std::to_string(i), at(i * 1s));
    REQUIRE(worker.jobs.size() == 1);
    stage.exchange.cancel(request, at(i * 1s));
    stage.die(worker, at(i * 1s));
  }
  stage.exchange.tick(at(2s));
  CHECK(stage.exchange.quarantined(at(2s)) == 1);
  CHECK(stage.exchange.submit(stage.request("bad", at(9s)), at(2s)).error().http_status == 422);
  CHECK(stage.exchange.queue().empty());
  CHECK(stage.exchange.queue().in_flight() == 0);
}

TEST_CASE(
    "a deadline that passes during the retry or the verdict ends the request with 504, and the verdict "
    "stands") {
  for (bool during_verdict : {false, true}) {
    Stage stage;
    auto const request = stage.submit("bad", at(0s), 3s);
    stage.die_under("a", "bad", at(1s));
    auto& b = stage.asking("b", at(2s));
    REQUIRE(b.jobs.size() == 1);
    CHECK(b.jobs[0].deadline == 1s);
    if (during_verdict) stage.die(b, at(2900ms));
    stage.exchange.tick(at(3s));
    CHECK(status(*request) == 504);
    if (!during_verdict) stage.die(b, at(3s));
    stage.exchange.tick(at(4s));
    CHECK(stage.exchange.quarantined(at(4s)) == 1);
    CHECK(stage.done["bad"] == 1);
    CHECK(stage.exchange.queue().empty());
  }
}

TEST_CASE("retries run one at a time after a loss, and one that lasts does not stop those behind it") {
  Stage stage;
  std::vector<std::shared_ptr<Submission>> requests;
  for (int i = 0; i < 3; ++i) {
    stage.asking("a" + std::to_string(i), at(0s));
    requests.push_back(stage.submit("r" + std::to_string(i), at(0s)));
  }
  for (int i = 0; i < 3; ++i) stage.die(stage.workers.at("a" + std::to_string(i)), at(1s));
  std::vector<FakeWorker*> workers;
  for (int i = 0; i < 3; ++i) workers.push_back(&stage.asking("b" + std::to_string(i), at(2s)));
  CHECK((workers[0]->jobs.size() == 1 && workers[1]->jobs.empty() && workers[2]->jobs.empty()));
  auto const fresh = stage.submit("fresh", at(2s));
  CHECK(workers[1]->jobs.size() == 1);  // the fresh never wait for retries
  stage.answer(*workers[1], at(2100ms));
  stage.ready(*workers[1], at(2100ms));
  CHECK(stage.exchange.next_tick() == at(3s));
  stage.exchange.tick(at(3s));
  CHECK(workers[2]->jobs.size() == 1);
  stage.answer(*workers[2], at(3100ms));
  stage.answer(*workers[0], at(3100ms));
  CHECK(workers[1]->jobs.size() == 2);
}

TEST_CASE("tensors are bytes as well") {
  Stage stage;
  auto const submit = [&](std::string const& name, Time now) {
    auto request = stage.request(name, now + 30s);
    request->pictures[0] = {link::ItemKind::Tensor, std::string(link::kTensorBytes, 'x')};
    return std::make_pair(request, stage.exchange.submit(request, now));
  };
  auto const request = submit("t", at(0s)).first;
  for (int i = 0; i < 2; ++i) stage.die(stage.asking("w" + std::to_string(i), at(1s)), at(1s + i * 1s));
  stage.exchange.tick(at(3s));
  CHECK(status(*request) == 422);
  CHECK(submit("again", at(3s)).second.error().http_status == 422);
}
