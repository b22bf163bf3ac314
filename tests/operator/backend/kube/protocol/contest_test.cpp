#include "operator/backend/kube/protocol/contest.hpp"

#include <catch2/catch.hpp>

#include <vector>

using namespace ei::kube;
using namespace std::chrono_literals;
using ei::SteadyTime;

TEST_CASE("What is undone is written again at once three times, and then ever more rarely") {
  Contest contest;
  SteadyTime now{1h};
  std::vector<std::chrono::milliseconds> waits;
  for (int i = 0; i < 12; ++i) {
    contest.undone(now);
    waits.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(contest.next() - now));
    CHECK(contest.waits(now) == (waits.back() > 0ms));
    CHECK(contest.lasts() == (i >= 3));
    now = contest.next();
    CHECK_FALSE(contest.waits(now));
    contest.written(now);
    now += 1ms;
  }
  CHECK(waits == std::vector<std::chrono::milliseconds>{0s, 0s, 0s, 1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s, 60s});
}

TEST_CASE("An object that is seen to be undone twice before it is written was undone once") {
  Contest contest;
  contest.undone(SteadyTime{1h});
  contest.undone(SteadyTime{1h + 1s});
  CHECK(contest.times() == 1);
}

TEST_CASE("A contest that the other side settles is over as one that a write has settled") {
  Contest contest;
  SteadyTime const now{1h};
  for (int i = 0; i < 5; ++i) {
    contest.undone(now);
    contest.written(now);
  }
  contest.undone(now);
  contest.stands(now + 10s);
  CHECK_FALSE(contest.is_undone());
  CHECK_FALSE(contest.waits(now + 10s));
  contest.stands(now + 60s);
  CHECK_FALSE(contest.over(now + 129s));
  CHECK(contest.over(now + 130s));
}

TEST_CASE("A contest is over once what was written has stood for two minutes") {
  Contest contest;
  SteadyTime const now{1h};
  contest.undone(now);
  CHECK_FALSE(contest.over(now + 1h));
  contest.written(now);
  CHECK_FALSE(contest.over(now + 119s));
  CHECK(contest.over(now + 120s));
}
