#include <catch2/catch.hpp>

#include "tests/dispatcher/queue_steps.hpp"

using namespace ei::dispatcher;
using namespace ei::dispatcher::test;
using namespace std::chrono_literals;

TEST_CASE("a late request is served only when no fresh one waits, and late ones keep their order") {
  RequestQueue queue({.capacity = 10, .capacity_bytes = 100, .late_after = 1s});
  offer(queue, 1, at(0s));
  offer(queue, 2, at(100ms));
  offer(queue, 3, at(2s));
  offer(queue, 4, at(2s));
  CHECK(take_all(queue, at(2s)) == std::vector<std::uint64_t>{3, 4, 1, 2});
}

TEST_CASE("a late request that has waited twenty times as long as allowed goes before fresh ones") {
  RequestQueue queue({.capacity = 10, .capacity_bytes = 100, .late_after = 1s});
  offer(queue, 1, at(0s));
  offer(queue, 2, at(1s));
  offer(queue, 3, at(20s));
  SECTION("not yet at exactly twenty times") {
    CHECK(take_all(queue, at(20s)) == std::vector<std::uint64_t>{3, 1, 2});
  }
  SECTION("only those that have, and a retry goes after the fresh") {
    auto const lost = queue.take(at(20s));
    CHECK(queue.give_back(lost->ticket, at(20s)) == GiveBack::Requeued);
    offer(queue, 4, at(20s));
    CHECK(take_all(queue, at(20500ms)) == std::vector<std::uint64_t>{1, 4, 3, 2});
  }
}

TEST_CASE("a request that waited exactly as long as allowed is not late") {
  RequestQueue queue({.capacity = 10, .capacity_bytes = 100, .late_after = 1s});
  offer(queue, 1, at(0s));
  offer(queue, 2, at(500ms));
  CHECK(queue.take(at(1s))->item == 1);
}

TEST_CASE("the late lane can be switched on and off while requests wait") {
  RequestQueue queue;
  for (std::uint64_t item = 1; item <= 3; ++item) offer(queue, item, at(0s));
  offer(queue, 4, at(5s));
  CHECK(queue.take(at(5s))->item == 1);
  queue.set_late_after(1s);
  CHECK(queue.take(at(5s))->item == 4);
  queue.set_late_after(std::nullopt);
  offer(queue, 5, at(6s));
  CHECK(take_all(queue, at(6s)) == std::vector<std::uint64_t>{5, 2, 3});
}

TEST_CASE("a given-back request that is late is a retry, not one of the late lane") {
  RequestQueue queue({.capacity = 10, .capacity_bytes = 100, .late_after = 1s});
  offer(queue, 1, at(0s));
  auto const taken = queue.take(at(0s));
  offer(queue, 3, at(1s));
  offer(queue, 2, at(5s));
  CHECK(queue.give_back(taken->ticket, at(5s)) == GiveBack::Requeued);
  CHECK(take_all(queue, at(5s)) == std::vector<std::uint64_t>{2, 1, 3});
}
