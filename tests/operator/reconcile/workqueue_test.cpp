#include "operator/reconcile/workqueue.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

using namespace std::chrono_literals;
using ei::SteadyTime;
using ei::reconcile::Workqueue;

namespace {

SteadyTime const kStart{1h};
Workqueue::Key const kA{"default", "a"};
Workqueue::Key const kB{"default", "b"};

}  // namespace

TEST_CASE("A key is handed out once it is due, and once only") {
  Workqueue queue;
  queue.add(kA, kStart + 10ms);
  CHECK_FALSE(queue.take(kStart));
  CHECK(queue.next_due() == kStart + 10ms);
  CHECK(queue.take(kStart + 10ms) == kA);
  CHECK_FALSE(queue.take(kStart + 1h));
  CHECK_FALSE(queue.next_due());
}

TEST_CASE("Of two wishes for one key the earlier wins, whichever came first") {
  Workqueue queue;
  queue.add(kA, kStart + 5s);
  queue.add(kA, kStart + 1s);
  queue.add(kA, kStart + 3s);
  CHECK(queue.waiting() == 1);
  CHECK(queue.next_due() == kStart + 1s);
  REQUIRE(queue.take(kStart + 1s));
  queue.done(kA);
  CHECK_FALSE(queue.take(kStart + 1h));
}

TEST_CASE("Keys are served by due time, equal ones in the order they came") {
  Workqueue queue;
  queue.add(kB, kStart);
  queue.add(kA, kStart);
  queue.add({"default", "early"}, kStart - 1s);
  CHECK(queue.take(kStart)->name == "early");
  CHECK(queue.take(kStart) == kB);
  CHECK(queue.take(kStart) == kA);
}

TEST_CASE("A key that is being looked at is not handed out again before it is done") {
  Workqueue queue;
  queue.add(kA, kStart);
  REQUIRE(queue.take(kStart));
  queue.add(kA, kStart);
  CHECK_FALSE(queue.take(kStart + 1s));
  CHECK_FALSE(queue.next_due());
  queue.done(kA);
  CHECK(queue.take(kStart + 1s) == kA);
}

TEST_CASE("Failures double the delay from 5 ms up to a minute, and success forgets them") {
  Workqueue queue;
  auto now = kStart;
  queue.add(kA, now);
  std::vector<ei::milliseconds> delays;
  for (int i = 0; i < 40; ++i) {
    REQUIRE(queue.take(now) == kA);
    delays.push_back(queue.failed(kA, now));
    CHECK_FALSE(queue.take(now + delays.back() - 1ms));
    now += delays.back();
  }
  CHECK(delays[0] == 5ms);
  CHECK(delays[1] == 10ms);
  CHECK(delays[13] == 40'960ms);
  CHECK(delays[14] == 60s);
  CHECK(delays[39] == 60s);
  REQUIRE(queue.take(now));
  queue.done(kA);
  queue.add(kA, now);
  REQUIRE(queue.take(now));
  CHECK(queue.failed(kA, now) == 5ms);
}

TEST_CASE("A failure waits at least as long as the other side asked") {
  Workqueue queue;
  queue.add(kA, kStart);
  REQUIRE(queue.take(kStart));
  CHECK(queue.failed(kA, kStart, 3s) == 3s);
}

TEST_CASE("A change that arrives during a failing look is looked at at once") {
  Workqueue queue;
  queue.add(kA, kStart);
  REQUIRE(queue.take(kStart));
  queue.add(kA, kStart);
  queue.failed(kA, kStart);
  CHECK(queue.take(kStart) == kA);
  CHECK(queue.failures(kA) == 1);
}

TEST_CASE("A forgotten key is gone with its failures") {
  Workqueue queue;
  queue.add(kA, kStart);
  REQUIRE(queue.take(kStart));
  queue.failed(kA, kStart);
  queue.forget(kA);
  CHECK(queue.waiting() == 0);
  CHECK(queue.failures(kA) == 0);
  CHECK_FALSE(queue.take(kStart + 1h));

  queue.add(kA, kStart);
  REQUIRE(queue.take(kStart));
  queue.add(kA, kStart);
  queue.forget(kA);
  queue.done(kA);
  CHECK_FALSE(queue.take(kStart + 1h));
}

TEST_CASE("Whatever comes, no key runs twice at once and no wish is lost") {
  auto const seed = GENERATE(range(1u, 21u));
  INFO("seed " << seed);
  std::mt19937 random(seed);
  Workqueue queue;
  std::set<Workqueue::Key> running;
  std::map<Workqueue::Key, SteadyTime> wished;  // the earliest wish not yet answered
  auto now = kStart;
  for (int step = 0; step < 2000; ++step) {
    now += std::chrono::milliseconds(random() % 3);
    Workqueue::Key const key{"n", std::string(1, static_cast<char>('a' + random() % 8))};
    switch (random() % 3) {
      case 0: {
        auto const when = now + std::chrono::milliseconds(random() % 20);
        queue.add(key, when);
        auto const [place, fresh] = wished.emplace(key, when);
        if (!fresh) place->second = std::min(place->second, when);
        break;
      }
      case 1:
        if (auto const taken = queue.take(now)) {
          REQUIRE(running.insert(*taken).second);
          REQUIRE(wished.count(*taken) == 1);
          REQUIRE(wished[*taken] <= now);
          wished.erase(*taken);
        }
        break;
      default:
        if (running.erase(key)) queue.done(key);
    }
    REQUIRE(queue.running() == running.size());
    REQUIRE(queue.waiting() == wished.size());
  }
}
