#include "bench/load/schedule.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

namespace {

using namespace ei::bench;
using namespace std::chrono_literals;

TEST_CASE("a trace gives as many requests as it says, in order of time") {
  auto const schedule = schedule_of({3, 0, 5}, 1);
  REQUIRE(schedule.has_value());
  CHECK(schedule->size() == 8);
  CHECK(std::is_sorted(schedule->begin(), schedule->end()));
  CHECK(schedule->front() >= 0s);
}

TEST_CASE("a second of the trace gets its requests in that second, but for a late tail") {
  auto const schedule = schedule_of(Trace(20, 200), 3);
  REQUIRE(schedule.has_value());
  auto const first_half = std::count_if(schedule->begin(), schedule->end(), [](auto at) { return at < 10s; });
  // 2,000 were meant; a second's sum of gaps has a standard deviation of 1/sqrt(200), 14 requests.
  CHECK(first_half > 1'930);
  CHECK(first_half <= 2'000);
}

TEST_CASE("the same seed gives the same schedule, another seed another") {
  auto const one = schedule_of({10, 10}, 5);
  CHECK(*one == *schedule_of({10, 10}, 5));
  CHECK(*one != *schedule_of({10, 10}, 6));
  CHECK(*poisson_schedule(50, 2, 5) == *poisson_schedule(50, 2, 5));
  CHECK(*poisson_schedule(50, 2, 5) != *poisson_schedule(50, 2, 6));
}

TEST_CASE("a schedule is the same on every machine") {
  auto const schedule = schedule_of({2}, 42);
  REQUIRE(schedule.has_value());
  // xoshiro256++ seeded by SplitMix64(42), written a second time in Python; a libm
  // may differ in the last bit.
  CHECK(std::chrono::duration<double>(schedule->at(0)).count() == Approx(0.841825258823).margin(2e-9));
  CHECK(std::chrono::duration<double>(schedule->at(1)).count() == Approx(1.033790367539).margin(2e-9));
}

TEST_CASE("a rate gives a Poisson process: exponential gaps, a number of requests near rate times seconds") {
  auto const schedule = poisson_schedule(100, 100, 9);
  REQUIRE(schedule.has_value());
  auto const count = static_cast<double>(schedule->size());
  CHECK(std::abs(count - 10'000) < 4 * 100);  // four standard deviations
  CHECK(schedule->back() < 100s);
  double sum = 0;
  double squares = 0;
  std::chrono::nanoseconds before = 0ns;
  for (auto const at : *schedule) {
    double const gap = std::chrono::duration<double>(at - before).count();
    before = at;
    sum += gap;
    squares += gap * gap;
  }
  double const mean = sum / count;
  CHECK(mean == Approx(0.01).epsilon(0.05));
  // An exponential distribution's deviation equals its mean.
  CHECK(squares / count - mean * mean == Approx(mean * mean).epsilon(0.1));
}

TEST_CASE("a load of no request, or of too many, is refused") {
  CHECK(schedule_of({0, 0}, 1).has_error());
  CHECK(schedule_of(Trace(6, 1'000'000), 1).has_error());
  CHECK(poisson_schedule(0, 10, 1).has_error());
  CHECK(poisson_schedule(1, -1, 1).has_error());
  CHECK(poisson_schedule(std::nan(""), 10, 1).has_error());
  CHECK(poisson_schedule(1e9, 10, 1).has_error());
  CHECK(poisson_schedule(1e-9, 1, 1).has_error());
}

}  // namespace
