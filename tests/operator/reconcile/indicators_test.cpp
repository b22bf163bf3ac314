#include "operator/reconcile/indicators.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using ei::SteadyTime;
using ei::reconcile::AnswerCounts;
using ei::reconcile::Indicators;
using Waits = std::vector<double>;

namespace {

SteadyTime const kStart{1000s};

}  // namespace

TEST_CASE("Only answers that came since the last look are counted") {
  Indicators indicators;
  CHECK(indicators.answered(7, 500ms, {100, 9}) == AnswerCounts{});
  CHECK(indicators.answered(7, 500ms, {130, 12}) == AnswerCounts{30, 3});
  CHECK(indicators.answered(7, 500ms, {130, 12}) == AnswerCounts{});
}

TEST_CASE("Counts that cannot be compared are a new start") {
  struct Row {
    char const* why;
    std::uint64_t epoch;
    ei::milliseconds target;
    AnswerCounts counts;
  };
  auto const row = GENERATE(Row{"a dispatcher was replaced", 8, 500ms, {200, 40}},
                            Row{"what is late changed", 7, 100ms, {130, 90}},
                            Row{"counters fell though the dispatchers are the same", 7, 500ms, {5, 1}});
  INFO(row.why);
  Indicators indicators;
  (void)indicators.answered(7, 500ms, {100, 9});
  auto const grown = indicators.answered(row.epoch, row.target, row.counts);
  CHECK(grown == AnswerCounts{});
  auto const more = AnswerCounts{row.counts.total + 10, row.counts.late + 1};
  CHECK(indicators.answered(row.epoch, row.target, more) == AnswerCounts{10, 1});
}

TEST_CASE("Each further worker is awaited from the decision that asked for it") {
  Indicators indicators;
  CHECK(indicators.decided(1, 1, 1, kStart) == Waits{});
  CHECK(indicators.decided(1, 3, 1, kStart) == Waits{});
  CHECK(indicators.decided(3, 4, 1, kStart + 2s) == Waits{});
  CHECK(indicators.decided(4, 4, 2, kStart + 3s) == Waits{3});
  CHECK(indicators.decided(4, 4, 4, kStart + 5s) == Waits{5, 3});
  CHECK(indicators.decided(4, 4, 4, kStart + 6s) == Waits{});
}

TEST_CASE("A worker that is no longer wanted is not awaited") {
  Indicators indicators;
  (void)indicators.decided(1, 3, 1, kStart);
  CHECK(indicators.decided(3, 2, 1, kStart + 1s) == Waits{});
  CHECK(indicators.decided(2, 3, 1, kStart + 4s) == Waits{});
  CHECK(indicators.decided(3, 3, 3, kStart + 6s) == Waits{6, 2});
}

TEST_CASE("A worker in place of a lost one is no answer to overload") {
  Indicators indicators;
  CHECK(indicators.decided(2, 2, 1, kStart) == Waits{});
  CHECK(indicators.decided(2, 2, 2, kStart + 9s) == Waits{});
}

TEST_CASE("The first workers of a service answer no overload") {
  Indicators indicators;
  CHECK(indicators.decided(2, 2, 0, kStart) == Waits{});
  CHECK(indicators.decided(2, 2, 2, kStart + 1s) == Waits{});
}
