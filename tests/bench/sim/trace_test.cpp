#include "bench/sim/trace.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "bench/sim/shapes.hpp"

using namespace ei::bench;

TEST_CASE("the busiest minute is any sixty seconds, or the whole of a shorter trace") {
  Trace trace(100, 1);
  for (int i = 25; i < 85; ++i) trace[static_cast<std::size_t>(i)] = 3;
  CHECK(busiest_minute_rps(trace) == 3);
  CHECK(busiest_minute_rps({2, 4}) == 3);
  CHECK(busiest_minute_rps({}) == 0);
}

TEST_CASE("scaling keeps the running sum to half a request") {
  Trace const trace = make_trace(Shape::Course, 3);
  for (double const factor : {0.36, 0.75, 1.0, 4.2}) {
    Trace const scaled = scale(trace, factor);
    double wanted = 0;
    long given = 0;
    for (std::size_t i = 0; i < trace.size(); ++i) {
      wanted += trace[i] * factor;
      given += scaled[i];
      CHECK(std::abs(wanted - static_cast<double>(given)) <= 0.5 + 1e-9);
    }
  }
}

TEST_CASE("arrivals are sorted, complete, and spaced from each second's start") {
  Rng rng(1);
  Trace const trace{0, 1000, 0, 500};
  auto const instants = arrivals(trace, rng);
  REQUIRE(instants.size() == 1500);
  CHECK(std::is_sorted(instants.begin(), instants.end()));
  CHECK(instants.front() >= Time(seconds(1)));
  // A thousand exponential gaps of a thousandth add up to a second, give or take 3 %.
  CHECK(in_seconds(instants[999].time_since_epoch()) == Approx(2).margin(0.15));
}

TEST_CASE("the course shape is as described") {
  Trace const trace = make_trace(Shape::Course, 0);
  REQUIRE(trace.size() == 630);
  CHECK(std::accumulate(trace.begin(), trace.end(), 0) == 9917);
  for (std::size_t i = 0; i < 240; ++i) CHECK((trace[i] >= 5 && trace[i] <= 10));
  CHECK(trace[240] == Approx(20).margin(2));
  for (std::size_t i = 248; i < 385; ++i) CHECK((trace[i] >= 30 && trace[i] <= 44));
  for (std::size_t i = 480; i < 630; ++i) CHECK((trace[i] >= 5 && trace[i] <= 10));
}

TEST_CASE("a seed makes a shape, the same every time, and another seed another") {
  for (Shape const shape : {Shape::Course, Shape::Sinusoid, Shape::Square, Shape::OnOff, Shape::Ramp,
                            Shape::FlashCrowd, Shape::RandomSteps, Shape::Spikes, Shape::Constant}) {
    INFO(name(shape));
    CHECK(make_trace(shape, 1) == make_trace(shape, 1));
    CHECK(make_trace(shape, 1) != make_trace(shape, 2));
  }
}

TEST_CASE("random numbers are the generator's own, on every machine") {
  Rng rng(42);
  std::uint64_t const first = rng.next();
  CHECK(first == 15021278609987233951ULL);
  double sum = 0, squares = 0, normal = 0;
  constexpr int kCount = 200'000;
  for (int i = 0; i < kCount; ++i) {
    double const x = rng.exponential(2);
    sum += x;
    squares += x * x;
    normal += rng.normal();
  }
  CHECK(sum / kCount == Approx(2).epsilon(0.02));
  CHECK(squares / kCount == Approx(8).epsilon(0.03));
  CHECK(normal / kCount == Approx(0).margin(0.01));
  double lognormal = 0;
  for (int i = 0; i < kCount; ++i) lognormal += rng.lognormal(0.25, 0.5);
  CHECK(lognormal / kCount == Approx(0.25).epsilon(0.02));
}
