#include "bench/load/histogram.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "operator/simulation/rng.hpp"

namespace {

using ei::bench::Histogram;
using namespace std::chrono_literals;
using std::chrono::microseconds;

TEST_CASE("an empty histogram has zeros") {
  Histogram const histogram;
  CHECK(histogram.count() == 0);
  CHECK(histogram.percentile(0.99) == 0us);
  CHECK(histogram.max() == 0us);
  CHECK(histogram.mean_seconds() == 0);
}

TEST_CASE("percentiles are nearest-rank") {
  Histogram histogram;
  for (int i = 1; i <= 100; ++i) histogram.record(microseconds(i));
  CHECK(histogram.percentile(0) == 1us);
  CHECK(histogram.percentile(0.5) == 50us);
  CHECK(histogram.percentile(0.501) == 51us);
  CHECK(histogram.percentile(0.99) == 99us);
  CHECK(histogram.percentile(1) == 100us);
  CHECK(histogram.mean_seconds() == Approx(50.5e-6));
}

TEST_CASE("each value up to 2047 microseconds is exact") {
  for (int value = 0; value <= 2047; ++value) {
    Histogram histogram;
    histogram.record(microseconds(value));
    histogram.record(1h);
    REQUIRE(histogram.percentile(0.5) == microseconds(value));
  }
}

TEST_CASE("a reported value is never below the recorded one and at most 0.1 % above") {
  ei::simulation::Rng rng(1);
  for (int i = 0; i < 20'000; ++i) {
    auto const value = static_cast<std::int64_t>(std::exp(rng.uniform(0, std::log(4e9))));
    Histogram histogram;
    histogram.record(microseconds(value));
    // So that max() does not hide the bucket's end.
    histogram.record(microseconds(Histogram::kLongest));
    auto const reported = histogram.percentile(0.5).count();
    INFO(value);
    REQUIRE(reported >= value);
    REQUIRE(static_cast<double>(reported - value) <= 0.001 * static_cast<double>(value));
  }
}

TEST_CASE("percentiles of many values agree with a sorted list to three digits") {
  ei::simulation::Rng rng(7);
  Histogram histogram;
  std::vector<double> values;
  for (int i = 0; i < 50'000; ++i) {
    auto const value = std::round(rng.lognormal(80'000, 3));
    values.push_back(value);
    histogram.record(microseconds(static_cast<std::int64_t>(value)));
  }
  std::sort(values.begin(), values.end());
  for (double const ratio : {0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    double const exact = values[static_cast<std::size_t>(std::ceil(ratio * 50'000)) - 1];
    CHECK(static_cast<double>(histogram.percentile(ratio).count()) == Approx(exact).epsilon(0.001));
  }
}

TEST_CASE("negative durations count as zero and endless ones as the longest") {
  Histogram histogram;
  histogram.record(-5ms);
  CHECK(histogram.max() == 0us);
  histogram.record(24h);
  CHECK(histogram.max() == microseconds(Histogram::kLongest));
  CHECK(histogram.percentile(1) == microseconds(Histogram::kLongest));
}

}  // namespace
