#include "dispatcher/exchange/suspects.hpp"

#include <catch2/catch.hpp>

using namespace ei::dispatcher;
using namespace std::chrono_literals;

TEST_CASE("what is remembered of pictures is bounded, and what was forgotten first goes first") {
  Suspects suspects;
  Time const now{1s};
  auto const name = [](std::size_t i) { return "d" + std::to_string(i); };
  for (std::size_t i = 0; i < kMostSuspects; ++i) {
    auto* suspect = suspects.open(7, name(i), now + i * 1ms);
    REQUIRE(suspect != nullptr);
    if (i == 0) suspect->held.push_back({});  // in use
  }
  REQUIRE(suspects.open(7, "new", now + 2s));
  CHECK(suspects.size() == kMostSuspects);
  CHECK(suspects.find(7, name(0), now + 2s) != nullptr);
  CHECK(suspects.find(7, name(1), now + 2s) == nullptr);
  CHECK(suspects.find(7, name(2), now + kSuspectedFor + 2ms) == nullptr);
  for (std::size_t i = 0; i < kMostSuspects; ++i) {
    if (auto* suspect = suspects.open(8, name(i), now + 3s)) suspect->held.push_back({});
  }
  CHECK(suspects.open(9, "more", now + 3s) == nullptr);
  CHECK(suspects.size() == kMostSuspects);
}
