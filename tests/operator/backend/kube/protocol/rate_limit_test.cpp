#include "operator/backend/kube/protocol/rate_limit.hpp"
#include "operator/backend/kube/protocol/backoff.hpp"

#include <catch2/catch.hpp>

using namespace ei::kube;
using namespace std::chrono_literals;

TEST_CASE("a bucket gives its burst at once and then its rate") {
  TokenBucket bucket(10, 3);
  ei::SteadyTime const now{1h};
  CHECK(bucket.try_take(now));
  CHECK(bucket.try_take(now));
  CHECK(bucket.try_take(now));
  CHECK_FALSE(bucket.try_take(now));
  CHECK_FALSE(bucket.try_take(now + 99ms));
  CHECK(bucket.try_take(now + 100ms));
  CHECK(bucket.reserve(now + 100ms) == 100ms);
  CHECK(bucket.reserve(now + 100ms) == 200ms);
  CHECK(bucket.reserve(now + 10s) == 0ms);
}

TEST_CASE("back-off doubles up to its ceiling, with at most half on top") {
  Jitter jitter(7);
  Backoff backoff(1s, 10s);
  for (auto const floor : {1000ms, 2000ms, 4000ms, 8000ms, 10000ms, 10000ms}) {
    auto const delay = backoff.next(jitter);
    CHECK(delay >= floor);
    CHECK(delay <= floor + floor / 2);
  }
  for (int i = 0; i < 100; ++i) CHECK(backoff.next(jitter) <= 15s);
  backoff.reset();
  CHECK(backoff.next(jitter) < 2s);
}

TEST_CASE("jitter is the same for a seed and lies in the unit interval") {
  Jitter one(42);
  Jitter two(42);
  double sum = 0;
  for (int i = 0; i < 1000; ++i) {
    auto const value = one.next();
    CHECK(value == two.next());
    CHECK((value >= 0.0 && value < 1.0));
    sum += value;
  }
  CHECK(sum / 1000 == Approx(0.5).margin(0.05));
}
