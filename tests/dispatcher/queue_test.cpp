#include <catch2/catch.hpp>

#include "tests/dispatcher/queue_steps.hpp"

using namespace ei::dispatcher;
using namespace ei::dispatcher::test;
using namespace std::chrono_literals;

TEST_CASE("requests are handed out in the order they came") {
  RequestQueue queue;
  for (std::uint64_t item = 1; item <= 5; ++item) offer(queue, item, at(Duration(item)));
  CHECK(queue.size() == 5);
  CHECK(queue.oldest() == at(1ns));
  CHECK(take_all(queue, at(1s)) == std::vector<std::uint64_t>{1, 2, 3, 4, 5});
  CHECK(queue.empty());
  CHECK(queue.in_flight() == 5);
  CHECK_FALSE(queue.oldest());
}

TEST_CASE("a full queue takes nobody, and counts the arrival all the same") {
  RequestQueue queue({.capacity = 2, .capacity_bytes = 100, .late_after = {}});
  offer(queue, 1);
  offer(queue, 2);
  CHECK_FALSE(queue.offer(at(0s), Time::max(), 3));
  CHECK(queue.counters().arrivals == 3);
  CHECK(queue.counters().refused == 1);
  REQUIRE(queue.take(at(0s)));
  CHECK(queue.offer(at(0s), Time::max(), 4));
}

TEST_CASE("a queue is also full by bytes, and has room again when they are handed out") {
  RequestQueue queue({.capacity = 10, .capacity_bytes = 100, .late_after = {}});
  offer(queue, 1, at(0s), Time::max(), 60);
  CHECK_FALSE(queue.fits(1, 41));
  CHECK(queue.fits(1, 40));
  CHECK_FALSE(queue.offer(at(0s), Time::max(), 2, 41));
  REQUIRE(queue.take(at(0s)));
  CHECK(queue.bytes() == 0);
  CHECK(queue.fits(1, 100));
}

TEST_CASE("a job with room for few bytes is not given the next request out of turn") {
  RequestQueue queue;
  offer(queue, 1, at(0s), Time::max(), 60);
  offer(queue, 2, at(0s), Time::max(), 10);
  CHECK_FALSE(queue.take(at(0s), 59));
  CHECK(queue.take(at(0s), 60)->item == 1);
}

TEST_CASE("a completion measures the service time from hand-out to answer") {
  RequestQueue queue;
  offer(queue, 1);
  auto const taken = queue.take(at(5s));
  CHECK(queue.complete(taken->ticket, at(7s)));
  CHECK(queue.counters().completions == 1);
  CHECK(queue.counters().service_seconds == Approx(2.0));
  CHECK(queue.counters().service_seconds_squared == Approx(4.0));
  CHECK(queue.in_flight() == 0);
  CHECK_FALSE(queue.complete(taken->ticket, at(8s)));
  CHECK(queue.counters().completions == 1);
}

TEST_CASE("the wait in a worker behind other work is no service, and never more than the whole") {
  RequestQueue queue;
  offer(queue, 1);
  offer(queue, 2);
  queue.complete(queue.take(at(0s))->ticket, at(5s), 1, 3s);
  CHECK(queue.counters().service_seconds == Approx(2.0));
  CHECK(queue.counters().service_seconds_squared == Approx(4.0));
  queue.complete(queue.take(at(5s))->ticket, at(6s), 1, 3s);
  CHECK(queue.counters().service_seconds == Approx(2.0));
}

TEST_CASE("requests served together share their service time") {
  RequestQueue queue;
  offer(queue, 1);
  offer(queue, 2);
  auto const a = queue.take(at(0s));
  auto const b = queue.take(at(0s));
  queue.complete(a->ticket, at(1s), 2);
  queue.complete(b->ticket, at(1s), 2);
  CHECK(queue.counters().service_seconds == Approx(1.0));
}

TEST_CASE("a request whose worker died goes before all others, once") {
  RequestQueue queue;
  for (std::uint64_t item = 1; item <= 3; ++item) offer(queue, item);
  auto const first = queue.take(at(0s));
  CHECK_FALSE(first->again);
  CHECK(queue.give_back(first->ticket) == GiveBack::Requeued);
  CHECK(queue.has_returned());
  auto const again = queue.take(at(1s));
  CHECK(again->item == 1);
  CHECK(again->again);
  CHECK(queue.give_back(again->ticket) == GiveBack::Lost);
  CHECK(queue.give_back(again->ticket) == GiveBack::Gone);
  CHECK(take_all(queue, at(1s)) == std::vector<std::uint64_t>{2, 3});
  CHECK(queue.counters().requeued == 1);
  CHECK(queue.counters().lost == 1);
}

TEST_CASE(
    "requests of several dead workers come back in the order they had, whatever order the workers die in") {
  RequestQueue queue;
  for (std::uint64_t item = 1; item <= 4; ++item) offer(queue, item);
  auto const one = queue.take(at(0s));
  auto const two = queue.take(at(0s));
  auto const three = queue.take(at(0s));
  queue.give_back(two->ticket);
  queue.give_back(three->ticket);
  queue.give_back(one->ticket);
  CHECK(take_all(queue, at(0s)) == std::vector<std::uint64_t>{1, 2, 3, 4});
}

TEST_CASE("a request that is given back keeps its place although the queue is full") {
  RequestQueue queue({.capacity = 1, .capacity_bytes = 10, .late_after = {}});
  offer(queue, 1, at(0s), Time::max(), 10);
  auto const taken = queue.take(at(0s));
  offer(queue, 2, at(0s), Time::max(), 10);
  CHECK(queue.give_back(taken->ticket) == GiveBack::Requeued);
  CHECK(queue.size() == 2);
  CHECK_FALSE(queue.fits(1, 0));
  CHECK_FALSE(queue.fits(0, 1));
  CHECK(take_all(queue, at(0s)) == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE("a client that leaves takes its waiting request out of the queue") {
  RequestQueue queue;
  offer(queue, 1);
  auto const gone = offer(queue, 2);
  offer(queue, 3);
  CHECK(queue.cancel(gone));
  CHECK_FALSE(queue.cancel(gone));
  CHECK(queue.size() == 2);
  CHECK(take_all(queue, at(0s)) == std::vector<std::uint64_t>{1, 3});
}

TEST_CASE("a client that leaves while a worker computes frees nothing, and the work still counts") {
  RequestQueue queue;
  offer(queue, 1);
  auto const taken = queue.take(at(0s));
  CHECK(queue.cancel(taken->ticket));
  CHECK(queue.in_flight() == 1);
  CHECK_FALSE(queue.complete(taken->ticket, at(1s)));
  CHECK(queue.in_flight() == 0);
  CHECK(queue.counters().completions == 1);
}

TEST_CASE("a request nobody waits for is not served again when its worker dies") {
  RequestQueue queue;
  offer(queue, 1);
  auto const taken = queue.take(at(0s));
  queue.cancel(taken->ticket);
  CHECK(queue.give_back(taken->ticket) == GiveBack::Gone);
  CHECK(queue.empty());
  CHECK(queue.in_flight() == 0);
}

TEST_CASE("a deadline ends the wait, in the queue and in flight, and is never handed out after") {
  RequestQueue queue;
  offer(queue, 1, at(0s), at(30s));
  offer(queue, 2, at(0s), at(10s));
  offer(queue, 3, at(0s), at(20s));
  auto const one = queue.take(at(1s));
  CHECK(one->item == 1);
  CHECK(queue.next_deadline() == at(10s));
  CHECK_FALSE(queue.expire(at(9s)));
  auto const next = queue.take(at(10s));
  CHECK(next->item == 3);
  auto const expired = queue.expire(at(10s));
  REQUIRE(expired);
  CHECK(expired->item == 2);
  CHECK_FALSE(expired->in_flight);
  CHECK_FALSE(queue.expire(at(10s)));
  auto const third = queue.expire(at(40s));
  auto const first = queue.expire(at(40s));
  REQUIRE((third && first));
  CHECK(third->item == 3);
  CHECK(first->item == 1);
  CHECK(first->in_flight);
  CHECK(queue.in_flight() == 2);
  CHECK_FALSE(queue.complete(one->ticket, at(41s)));
  CHECK_FALSE(queue.complete(next->ticket, at(41s)));
  CHECK(queue.next_deadline() == Time::max());
  CHECK(queue.counters().expired == 3);
}

TEST_CASE("a stale ticket touches nobody else's request") {
  RequestQueue queue;
  auto const old = offer(queue, 1);
  queue.cancel(old);
  auto const fresh = offer(queue, 2);
  CHECK(fresh.slot == old.slot);
  CHECK_FALSE(queue.cancel(old));
  CHECK(queue.give_back(old) == GiveBack::Gone);
  CHECK_FALSE(queue.complete(old, at(1s)));
  CHECK_FALSE(queue.cancel(Ticket{}));
  CHECK(queue.size() == 1);
}

// A slow model of the same rules: a list of everything, searched from its start.
