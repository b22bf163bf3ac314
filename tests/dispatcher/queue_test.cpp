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

TEST_CASE(
    "a queue is also full by the bytes of the waiting and of those in flight, until these are answered") {
  RequestQueue queue({.capacity = 10, .capacity_bytes = 100, .late_after = {}});
  offer(queue, 1, at(0s), Time::max(), 60);
  CHECK_FALSE(queue.fits(1, 41));
  CHECK(queue.fits(1, 40));
  CHECK_FALSE(queue.offer(at(0s), Time::max(), 2, 41));
  auto const taken = queue.take(at(0s));
  REQUIRE(taken);
  CHECK(queue.bytes() == 0);
  CHECK_FALSE(queue.fits(1, 41));
  CHECK(queue.complete(taken->ticket, at(1s)));
  CHECK(queue.fits(1, 100));
}

TEST_CASE("a job with room for few bytes is not given the next request out of turn") {
  RequestQueue queue;
  offer(queue, 1, at(0s), Time::max(), 60);
  offer(queue, 2, at(0s), Time::max(), 10);
  CHECK_FALSE(queue.take(at(0s), {.max_bytes = 59}));
  CHECK(queue.take(at(0s), {.max_bytes = 60})->item == 1);
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

TEST_CASE("a request whose worker was lost goes after the fresh, alone, once") {
  RequestQueue queue;
  for (std::uint64_t item = 1; item <= 3; ++item) offer(queue, item);
  auto const first = queue.take(at(0s));
  CHECK_FALSE((first->again || first->alone));
  CHECK(queue.give_back(first->ticket, at(0s)) == GiveBack::Requeued);
  CHECK(queue.retries() == 1);
  CHECK(queue.fresh() == 2);
  CHECK(queue.take(at(1s))->item == 2);
  CHECK(queue.take(at(1s))->item == 3);
  CHECK_FALSE(queue.take(at(1s), {.retries = false}));
  auto const again = queue.take(at(1s));
  CHECK(again->item == 1);
  CHECK((again->again && again->alone));
  CHECK(queue.give_back(again->ticket, at(1s)) == GiveBack::Lost);
  CHECK(queue.give_back(again->ticket, at(1s)) == GiveBack::Gone);
  CHECK(queue.empty());
  CHECK(queue.counters().requeued == 1);
  CHECK(queue.counters().lost == 1);
}

TEST_CASE("a retry goes before the fresh when half of its time is over, at the latest after five seconds") {
  struct Row {
    Time deadline;
    Time due;
    char const* why;
  };
  for (auto const& [deadline, due, why] :
       {Row{at(3s), at(2s), "half of the two seconds that it had left"},
        Row{at(60s), at(6s), "five seconds from when it was given back"},
        Row{Time::max(), at(6s), "a client without a deadline does not wait for ever either"},
        Row{at(1s), at(1s), "no time is left: expire() ends it"}}) {
    INFO(why);
    RequestQueue queue;
    offer(queue, 1, at(0s), deadline);
    auto const taken = queue.take(at(0s));
    offer(queue, 2);
    CHECK(queue.give_back(taken->ticket, at(1s)) == GiveBack::Requeued);
    CHECK(queue.retry_due() == due);
    if (deadline <= due) continue;
    CHECK(queue.take(due - 1ns)->item == 2);
    offer(queue, 3);
    CHECK(queue.take(due)->item == 1);
  }
}

TEST_CASE("retries go before the late, who have lost their target, but not before the starving") {
  RequestQueue queue({.capacity = 10, .capacity_bytes = 1 << 20, .late_after = 100ms});
  offer(queue, 1, at(0s));
  auto const lost = queue.take(at(0s));
  offer(queue, 2, at(0s));
  offer(queue, 3, at(0s));
  CHECK(queue.give_back(lost->ticket, at(200ms)) == GiveBack::Requeued);
  CHECK(queue.take(at(200ms))->item == 1);
  offer(queue, 4, at(1900ms));
  auto const four = queue.take(at(1900ms));
  CHECK(four->item == 4);
  CHECK(queue.give_back(four->ticket, at(1900ms)) == GiveBack::Requeued);
  CHECK(queue.take(at(2001ms))->item == 2);
  CHECK(queue.take(at(2001ms))->item == 3);
  CHECK(queue.take(at(2001ms))->item == 4);
}

TEST_CASE("retries are served by when they are due, whatever order their workers were lost in") {
  RequestQueue queue;
  for (std::uint64_t item = 1; item <= 4; ++item) offer(queue, item);
  auto const one = queue.take(at(0s));
  auto const two = queue.take(at(0s));
  auto const three = queue.take(at(0s));
  for (auto const* lost : {&two, &three, &one}) {
    CHECK(queue.give_back((*lost)->ticket, at(0s)) == GiveBack::Requeued);
  }
  CHECK(take_all(queue, at(0s)) == std::vector<std::uint64_t>{4, 1, 2, 3});
}

TEST_CASE("a request that is given back finds room although the queue is full") {
  RequestQueue queue({.capacity = 1, .capacity_bytes = 20, .late_after = {}});
  offer(queue, 1, at(0s), Time::max(), 10);
  auto const taken = queue.take(at(0s));
  offer(queue, 2, at(0s), Time::max(), 10);
  CHECK(queue.give_back(taken->ticket, at(0s)) == GiveBack::Requeued);
  CHECK(queue.size() == 2);
  CHECK_FALSE(queue.fits(1, 0));
  CHECK_FALSE(queue.fits(0, 1));
  CHECK(take_all(queue, at(0s)) == std::vector<std::uint64_t>{2, 1});
}

TEST_CASE("a request that is set aside waits in the queue, and goes back to its place when it is released") {
  RequestQueue queue({.capacity = 10, .capacity_bytes = 100, .late_after = {}});
  for (std::uint64_t item = 1; item <= 4; ++item) offer(queue, item, at(Duration(item)), at(9s), 10);
  auto const one = queue.take(at(1s));
  auto const two = queue.take(at(1s));
  auto const three = queue.take(at(1s));
  for (auto const* held : {&three, &one}) CHECK(queue.hold((*held)->ticket));
  CHECK((queue.size() == 3 && queue.held() == 2 && queue.fresh() == 1 && queue.in_flight() == 1));
  CHECK(queue.bytes() == 30);
  CHECK(queue.oldest() == at(1ns));
  CHECK(queue.oldest_fresh() == at(4ns));
  queue.release({three->ticket, two->ticket, one->ticket}, at(1s), false);
  CHECK(queue.held() == 0);
  CHECK(take_all(queue, at(1s)) == std::vector<std::uint64_t>{1, 3, 4});
  CHECK(queue.in_flight() == 4);
}

TEST_CASE("whoever was set aside may leave or run out of time, and is released as a retry on demand") {
  RequestQueue queue;
  offer(queue, 1, at(0s), at(5s));
  for (std::uint64_t item = 2; item <= 4; ++item) offer(queue, item);
  std::vector<Ticket> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(queue.take(at(0s))->ticket);
    CHECK(queue.hold(held.back()));
  }
  CHECK_FALSE(queue.hold(held.back()));
  CHECK(queue.cancel(held[1]));
  CHECK(queue.expire(at(5s))->item == 1);
  CHECK((queue.held() == 1 && queue.size() == 2));
  queue.release(held, at(5s), true);
  CHECK((queue.held() == 0 && queue.retries() == 1));
  CHECK(take_all(queue, at(5s)) == std::vector<std::uint64_t>{4, 3});
  offer(queue, 5);
  auto const five = queue.take(at(5s));
  CHECK(queue.cancel(five->ticket));
  CHECK_FALSE(queue.hold(five->ticket));
  CHECK_FALSE(queue.defer(five->ticket, at(5s)));
  CHECK(queue.counters().requeued == 0);
}

TEST_CASE("a request that becomes late after it was set aside stands among the late by its age") {
  RequestQueue queue({.capacity = 10, .capacity_bytes = 100, .late_after = 1s});
  for (std::uint64_t item = 1; item <= 3; ++item) offer(queue, item, at(Duration(item)));
  auto const one = queue.take(at(4ns));
  CHECK(queue.hold(one->ticket));
  offer(queue, 4, at(5s));
  CHECK(queue.take(at(5s))->item == 4);  // the others have become late
  queue.release({one->ticket}, at(5s), false);
  CHECK(queue.oldest() == at(1ns));
  CHECK(take_all(queue, at(5s)) == std::vector<std::uint64_t>{1, 2, 3});
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
  CHECK(queue.give_back(taken->ticket, at(0s)) == GiveBack::Gone);
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
  CHECK(queue.give_back(old, at(0s)) == GiveBack::Gone);
  CHECK_FALSE(queue.complete(old, at(1s)));
  CHECK_FALSE(queue.cancel(Ticket{}));
  CHECK(queue.size() == 1);
}

// A slow model of the same rules: a list of everything, searched from its start.
