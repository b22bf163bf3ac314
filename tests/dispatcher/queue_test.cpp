#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "dispatcher/queue/admission.hpp"
#include "dispatcher/queue/batcher.hpp"
#include "dispatcher/queue/request_queue.hpp"
#include "tests/dispatcher/seed.hpp"

using namespace ei::dispatcher;
using namespace std::chrono_literals;

namespace {

constexpr Time at(Duration since_start) {
  return Time{since_start};
}

std::vector<std::uint64_t> take_all(RequestQueue& queue, Time now) {
  std::vector<std::uint64_t> out;
  while (auto const taken = queue.take(now)) out.push_back(taken->item);
  return out;
}

Ticket offer(RequestQueue& queue, std::uint64_t item, Time now = at(0s), Time deadline = Time::max(),
             std::size_t bytes = 0) {
  auto const ticket = queue.offer(now, deadline, item, bytes);
  REQUIRE(ticket);
  return *ticket;
}

}  // namespace

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
  SECTION("only those that have, and after a given-back one") {
    auto const lost = queue.take(at(20s));
    queue.give_back(lost->ticket);
    offer(queue, 4, at(20s));
    CHECK(take_all(queue, at(20500ms)) == std::vector<std::uint64_t>{3, 1, 4, 2});
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

TEST_CASE("a given-back request goes before fresh ones even when it is late") {
  RequestQueue queue({.capacity = 10, .capacity_bytes = 100, .late_after = 1s});
  offer(queue, 1, at(0s));
  auto const taken = queue.take(at(0s));
  offer(queue, 2, at(5s));
  queue.give_back(taken->ticket);
  CHECK(take_all(queue, at(5s)) == std::vector<std::uint64_t>{1, 2});
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
namespace {

struct Model {
  struct Request {
    std::uint64_t item;
    Time arrived;
    Time deadline;
    bool again = false;
    bool late = false;
    bool in_flight = false;
    bool awaited = true;
  };
  std::vector<Request> requests;  // in order of arrival

  Request* find(std::uint64_t item) {
    auto const it =
        std::find_if(requests.begin(), requests.end(), [&](auto const& r) { return r.item == item; });
    return it == requests.end() ? nullptr : &*it;
  }
  void erase(std::uint64_t item) {
    requests.erase(
        std::find_if(requests.begin(), requests.end(), [&](auto const& r) { return r.item == item; }));
  }
  std::size_t waiting() const {
    return static_cast<std::size_t>(
        std::count_if(requests.begin(), requests.end(), [](auto const& r) { return !r.in_flight; }));
  }
  Request* next(Time now, std::optional<Duration> late_after) {
    auto const pick = [&](auto const& wanted) -> Request* {
      for (auto& r : requests) {
        if (!r.in_flight && r.deadline > now && wanted(r)) return &r;
      }
      return nullptr;
    };
    for (auto& r : requests) {
      if (late_after && !r.in_flight && !r.again && now - r.arrived > *late_after) r.late = true;
    }
    if (auto* r = pick([](auto const& q) { return q.again; })) return r;
    auto const starves = [&](auto const& q) {
      return q.late && late_after && now - q.arrived > 20 * *late_after;
    };
    if (auto* r = pick(starves)) return r;
    if (auto* r = pick([](auto const& q) { return !q.late; })) return r;
    return pick([](auto const&) { return true; });
  }
};

}  // namespace

TEST_CASE("whatever happens, nothing is lost, nothing is served twice, and the order is the model's") {
  auto const seed = test_seed();
  INFO("EI_SEED=" << seed);
  std::mt19937 random(seed);
  for (int run = 0; run < 40; ++run) {
    std::optional<Duration> late_after;
    if (run % 2 == 1) late_after = Duration(1 + random() % 50);
    std::size_t const capacity = 1 + random() % 30;
    RequestQueue queue({.capacity = capacity, .capacity_bytes = 1 << 20, .late_after = late_after});
    Model model;
    std::map<std::uint64_t, Ticket> tickets;
    std::set<std::uint64_t> ended;
    Time now{};
    std::uint64_t next_item = 0;
    auto const end = [&](std::uint64_t item) {
      REQUIRE(ended.insert(item).second);
      model.erase(item);
    };
    auto const some = [&](bool in_flight) -> Model::Request* {
      std::vector<Model::Request*> found;
      for (auto& r : model.requests) {
        if (r.in_flight == in_flight) found.push_back(&r);
      }
      return found.empty() ? nullptr : found[random() % found.size()];
    };
    for (int step = 0; step < 2000; ++step) {
      now += Duration(random() % 5);
      switch (random() % 8) {
        case 0:
        case 1:
        case 2: {
          Time const deadline = random() % 3 == 0 ? Time::max() : now + Duration(1 + random() % 100);
          bool const room = model.waiting() < capacity;
          auto const ticket = queue.offer(now, deadline, next_item, 1);
          REQUIRE(ticket.has_value() == room);
          if (ticket) {
            tickets[next_item] = *ticket;
            model.requests.push_back({next_item, now, deadline});
          }
          ++next_item;
          break;
        }
        case 3:
        case 4: {
          auto* expected = model.next(now, late_after);
          auto const taken = queue.take(now);
          REQUIRE(taken.has_value() == (expected != nullptr));
          if (taken) {
            REQUIRE(taken->item == expected->item);
            REQUIRE(taken->again == expected->again);
            expected->in_flight = true;
          }
          break;
        }
        case 5: {
          if (auto* r = some(true)) {
            REQUIRE(queue.complete(tickets[r->item], now) == r->awaited);
            end(r->item);
          }
          break;
        }
        case 6: {
          if (auto* r = some(true)) {
            auto const outcome = queue.give_back(tickets[r->item]);
            REQUIRE(outcome == (!r->awaited ? GiveBack::Gone
                                : r->again  ? GiveBack::Lost
                                            : GiveBack::Requeued));
            if (outcome == GiveBack::Requeued) {
              r->again = true;
              r->late = false;
              r->in_flight = false;
            } else {
              end(r->item);
            }
          }
          break;
        }
        default: {
          if (auto* r = some(random() % 2 == 0)) {
            REQUIRE(queue.cancel(tickets[r->item]) == r->awaited);
            if (r->in_flight) {
              r->awaited = false;
            } else {
              end(r->item);
            }
          }
          break;
        }
      }
      if (random() % 4 == 0) {
        while (auto const expired = queue.expire(now)) {
          auto* r = model.find(expired->item);
          REQUIRE(r != nullptr);
          REQUIRE(r->deadline <= now);
          REQUIRE(r->awaited);
          REQUIRE(r->in_flight == expired->in_flight);
          if (r->in_flight) {
            r->awaited = false;
          } else {
            end(r->item);
          }
        }
        for (auto const& r : model.requests) REQUIRE((r.deadline > now || !r.awaited));
      }
      REQUIRE(queue.size() == model.waiting());
      REQUIRE(queue.bytes() == model.waiting());
      REQUIRE(queue.in_flight() == model.requests.size() - model.waiting());
      std::optional<Time> oldest;
      for (auto const& r : model.requests) {
        if (!r.in_flight && (!oldest || r.arrived < *oldest)) oldest = r.arrived;
      }
      REQUIRE(queue.oldest() == oldest);
    }
    auto const& c = queue.counters();
    REQUIRE(c.arrivals == next_item);
    REQUIRE(c.arrivals == c.refused + ended.size() + model.requests.size());
  }
}

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
  queue.give_back(taken->ticket);
  CHECK(plan_batch(queue, {.max_size = 3, .max_delay = 10ms}, at(1ms)) == Batch{1, std::nullopt});
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

TEST_CASE("a million requests pass through a full queue in well under a second of one core",
          "[.][benchmark]") {
  RequestQueue queue;
  for (std::uint64_t item = 0; item < 900; ++item) (void)queue.offer(at(0s), at(30s), item);
  auto const start = std::chrono::steady_clock::now();
  Time now{};
  for (std::uint64_t item = 0; item < 1'000'000; ++item) {
    now += 1us;
    (void)queue.offer(now, now + 30s, item, 100);
    auto const taken = queue.take(now);
    queue.complete(taken->ticket, now + 1us);
  }
  auto const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  WARN("a million requests in " << seconds << " s");
  CHECK(queue.size() == 900);
}
