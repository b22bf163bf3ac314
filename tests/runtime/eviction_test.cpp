#include <catch2/catch.hpp>

#include "runtime/http/body_budget.hpp"
#include "runtime/http/eviction.hpp"
#include "runtime/http/least_rate.hpp"

using namespace ei;
using namespace ei::http;
using namespace std::chrono_literals;
using Phase = Standing::Phase;

namespace {

constexpr std::size_t kRate = 1024;
SteadyTime const kNow{1000s};

Standing standing(Phase phase, milliseconds age, std::size_t bytes = 0, std::size_t claimed = 0) {
  return {phase, kNow - age, bytes, claimed};
}

}  // namespace

TEST_CASE("a newcomer takes the place of the slowest, then of who is idle, never of who is served") {
  struct Row {
    std::vector<Standing> all;
    std::optional<std::size_t> victim;
    std::string why;
  };
  for (Row const& row :
       {Row{{}, {}, "nobody is there"}, Row{{standing(Phase::Working, 1h)}, {}, "all are at work"},
        Row{{standing(Phase::Idle, 1h), standing(Phase::Reading, 5s, 2)},
            1,
            "who trickles before who is idle"},
        Row{{standing(Phase::Reading, 5s, 200), standing(Phase::Reading, 5s, 2)}, 1, "the slower of two"},
        Row{{standing(Phase::Idle, 1min), standing(Phase::Reading, 5s, 1'000'000)},
            0,
            "who is idle before who sends at a good rate"},
        Row{{standing(Phase::Idle, 1min), standing(Phase::Idle, 2min)}, 1, "the longest idle"},
        Row{{standing(Phase::Idle, 1ms), standing(Phase::Reading, 500ms, 1)},
            0,
            "who has only just begun is not slow yet"},
        Row{{standing(Phase::Fresh, 10s), standing(Phase::Idle, 1min)}, 0, "who connects and says nothing"},
        Row{{standing(Phase::Answering, 10s), standing(Phase::Idle, 1min)},
            0,
            "who does not take its answer"},
        Row{{standing(Phase::Reading, 900ms, 100), standing(Phase::Fresh, 100ms)},
            0,
            "among beginners the oldest, whatever it has sent: a newcomer has sent nothing yet"},
        Row{{standing(Phase::Reading, 20s, 1'000'000), standing(Phase::Fresh, 100ms)},
            1,
            "a beginner before an upload at a good rate"},
        Row{{standing(Phase::Fresh, 100ms), standing(Phase::Fresh, 900ms)}, 1, "and of equals the older"},
        Row{{standing(Phase::Working, 1h), standing(Phase::Reading, 1s, 1'000'000)},
            1,
            "a fast one where there is no other"}}) {
    INFO(row.why);
    CHECK(slowest_connection(row.all, kNow, kRate) == row.victim);
  }
}

TEST_CASE("a body that will not arrive in time gives way to another") {
  std::size_t const claimed = 10'000'000;
  struct Row {
    std::vector<Standing> all;
    std::optional<std::size_t> victim;
    std::string why;
  };
  for (Row const& row :
       {Row{{standing(Phase::Reading, 5s, 1000, claimed)}, 0, "it would take hours"},
        Row{{standing(Phase::Reading, 5s, 5'000'000, claimed)}, {}, "it arrives in 10 s of 30"},
        Row{{standing(Phase::Reading, 500ms, 0, claimed)}, {}, "it has only just begun"},
        Row{{standing(Phase::Reading, 5s, 1000)}, {}, "a header holds nothing of the budget"},
        Row{{standing(Phase::Working, 5s, 0, claimed)}, {}, "it has arrived"},
        Row{{standing(Phase::Reading, 5s, 1000, claimed), standing(Phase::Reading, 5s, 10, claimed)},
            1,
            "the slower of two"}}) {
    INFO(row.why);
    CHECK(hopeless_body(row.all, kNow, 30s) == row.victim);
  }
}

TEST_CASE("whoever takes less than the least rate has no longer than the grace") {
  struct Row {
    std::vector<std::uint64_t> each_second;  // bytes moved in it
    std::optional<int> given_up;             // in this second
    std::string why;
  };
  std::vector<std::uint64_t> const steady(60, kRate);
  for (Row const& row :
       {Row{{0, 0, 0, 0, 0, 0}, 5, "nothing moves"}, Row{steady, {}, "exactly the least rate"},
        Row{{10'000'000, 0, 0, 0, 0, 0, 0, 0}, 6, "what went quickly before excuses no standstill"},
        Row{{100, 100, 100, 100, 100, 100, 100}, 6, "a tenth of the rate earns half a second"},
        Row{{0, 0, 0, 0, 5 * kRate, 0, 0, 0, 0, 5 * kRate, 0}, {}, "in bursts, as some networks do"},
        Row{{UINT64_MAX / 2, 0, 0}, {}, "a count that is no sensible one"}}) {
    INFO(row.why);
    LeastRate rate(kRate, 5s, kNow);
    std::optional<int> given_up;
    std::uint64_t moved = 0;
    for (int second = 1; second <= static_cast<int>(row.each_second.size()); ++second) {
      moved += row.each_second[static_cast<std::size_t>(second - 1)];
      auto const now = kNow + std::chrono::seconds(second);
      if (rate.look(moved, now) <= now && !given_up) given_up = second;
    }
    CHECK(given_up == row.given_up);
  }
  CHECK(LeastRate(0, 5s, kNow).until() == SteadyTime::max());
  CHECK(LeastRate(0, 5s, kNow).look(0, kNow + 1h) == SteadyTime::max());
}

TEST_CASE("claims on the budget for bodies count in full and are given back") {
  auto const budget = std::make_shared<BodyBudget>(100);
  auto first = std::make_unique<BodyBudget::Claim>(budget);
  BodyBudget::Claim second(budget);
  CHECK(first->raise_to(60));
  CHECK_FALSE(second.raise_to(41));
  CHECK(second.raise_to(40));
  CHECK(first->raise_to(10));
  CHECK(first->bytes() == 60);
  CHECK(budget->left() == 0);
  first.reset();
  CHECK(second.raise_to(100));
  second.give_back();
  CHECK(budget->used() == 0);
}
