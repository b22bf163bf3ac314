#include <catch2/catch.hpp>

#include "dispatcher/queue/admission.hpp"
#include "dispatcher/queue/batcher.hpp"
#include "tests/dispatcher/queue_steps.hpp"

using namespace ei::dispatcher;
using namespace ei::dispatcher::test;
using namespace std::chrono_literals;

TEST_CASE("the batch of one is taken at once") {
  RequestQueue queue;
  CHECK(plan_batch(queue, {}, at(0s)) == Batch{});
  offer(queue, 1);
  offer(queue, 2);
  CHECK(plan_batch(queue, {}, at(0s)) == Batch{1, std::nullopt});
}

TEST_CASE("a larger batch waits for company, but not longer than its delay") {
  RequestQueue queue;
  BatchLimits const limits{.max_size = 3, .max_delay = 10ms};
  offer(queue, 1, at(0ms));
  offer(queue, 2, at(4ms));
  CHECK(plan_batch(queue, limits, at(5ms)) == Batch{0, at(10ms)});
  CHECK(plan_batch(queue, limits, at(10ms)) == Batch{2, std::nullopt});
  offer(queue, 3, at(6ms));
  CHECK(plan_batch(queue, limits, at(6ms)) == Batch{3, std::nullopt});
  offer(queue, 4, at(6ms));
  CHECK(plan_batch(queue, limits, at(6ms)) == Batch{3, std::nullopt});
}

TEST_CASE("a given-back request does not wait for company again") {
  RequestQueue queue;
  offer(queue, 1, at(0ms));
  auto const taken = queue.take(at(1ms));
  CHECK(queue.give_back(taken->ticket, at(1ms)) == GiveBack::Requeued);
  BatchLimits const limits{.max_size = 3, .max_delay = 10ms};
  CHECK(plan_batch(queue, limits, at(1ms)) == Batch{1, std::nullopt});
  CHECK(plan_batch(queue, limits, at(1ms), false) == Batch{});
  offer(queue, 2, at(2ms));
  CHECK(plan_batch(queue, limits, at(2ms)) == Batch{0, at(12ms)});
  CHECK(plan_batch(queue, limits, at(12ms)) == Batch{1, std::nullopt});
  CHECK(plan_batch(queue, limits, at(6s)) == Batch{1, std::nullopt});
}

TEST_CASE("admission says why it refuses and when to come back") {
  RequestQueue queue({.capacity = 10, .capacity_bytes = 1000, .late_after = {}});
  ServiceEstimate service;
  for (int i = 0; i < 100; ++i) service.add(2.0);
  CHECK_FALSE(consider({10, 1000}, queue, false, service, 1));
  CHECK(consider({1, 1}, queue, true, service, 1) == Refusal{RefusalReason::Draining, 1s});
  CHECK(consider({11, 1}, queue, false, service, 1) == Refusal{RefusalReason::TooLarge, 0s});
  CHECK(consider({1, 1001}, queue, false, service, 1) == Refusal{RefusalReason::TooLarge, 0s});
  for (std::uint64_t item = 0; item < 10; ++item) offer(queue, item);
  CHECK(consider({1, 1}, queue, false, service, 1) == Refusal{RefusalReason::Full, 10s});
  CHECK(consider({1, 1}, queue, false, service, 4) == Refusal{RefusalReason::Full, 3s});
  CHECK(consider({1, 1}, queue, false, service, 0) == Refusal{RefusalReason::Full, 10s});
  CHECK(consider({1, 1}, queue, false, ServiceEstimate{}, 4) == Refusal{RefusalReason::Full, 1s});
}

TEST_CASE("the longest punctual wait leaves time for the service and never vanishes") {
  ServiceEstimate service;
  CHECK(longest_punctual_wait(500ms, service) == 490ms);
  for (int i = 0; i < 100; ++i) service.add(0.1);
  CHECK(std::chrono::duration<double>(longest_punctual_wait(500ms, service)).count() == Approx(0.39));
  for (int i = 0; i < 1000; ++i) service.add(10);
  CHECK(std::chrono::duration<double>(longest_punctual_wait(500ms, service)).count() == Approx(0.025));
}
