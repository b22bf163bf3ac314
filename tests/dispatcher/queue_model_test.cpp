#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "tests/dispatcher/queue_steps.hpp"
#include "tests/dispatcher/seed.hpp"

using namespace ei::dispatcher;
using namespace ei::dispatcher::test;
using namespace std::chrono_literals;

namespace {

struct Model {
  struct Request {
    std::uint64_t item;
    Time arrived;
    Time deadline;
    bool again = false;
    bool late = false;
    bool retry = false;  // waits in the retry lane
    Time due{};
    bool held = false;
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
  Request* next(Time now, std::optional<Duration> late_after, bool retries) {
    auto const pick = [&](auto const& wanted) -> Request* {
      for (auto& r : requests) {
        if (!r.in_flight && !r.held && r.deadline > now && wanted(r)) return &r;
      }
      return nullptr;
    };
    for (auto& r : requests) {
      if (late_after && !r.in_flight && !r.held && !r.retry && now - r.arrived > *late_after) r.late = true;
    }
    Request* retry = nullptr;
    for (auto& r : requests) {
      if (retries && r.retry && !r.in_flight && r.deadline > now && (retry == nullptr || r.due < retry->due))
        retry = &r;
    }
    if (retry != nullptr && retry->due <= now) return retry;
    auto const starves = [&](auto const& q) {
      return q.late && !q.retry && late_after && now - q.arrived > 20 * *late_after;
    };
    if (auto* r = pick(starves)) return r;
    if (auto* r = pick([](auto const& q) { return !q.late && !q.retry; })) return r;
    if (retry != nullptr) return retry;
    return pick([](auto const& q) { return !q.retry; });
  }
  static void make_retry(Request& r, Time now) {
    r.retry = true;
    r.late = false;
    r.in_flight = false;
    r.held = false;
    Duration const half = r.deadline == Time::max() ? kLongestRetryWait : (r.deadline - now) / 2;
    r.due = now + std::min(std::max(half, Duration(0)), kLongestRetryWait);
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
      switch (random() % 10) {
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
          bool const retries = random() % 4 != 0;
          auto* expected = model.next(now, late_after, retries);
          auto const taken = queue.take(now, {.retries = retries});
          REQUIRE(taken.has_value() == (expected != nullptr));
          if (taken) {
            REQUIRE(taken->item == expected->item);
            REQUIRE(taken->again == expected->again);
            REQUIRE(taken->alone == expected->retry);
            expected->in_flight = true;
            expected->retry = false;
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
            auto const outcome = queue.give_back(tickets[r->item], now);
            REQUIRE(outcome == (!r->awaited ? GiveBack::Gone
                                : r->again  ? GiveBack::Lost
                                            : GiveBack::Requeued));
            if (outcome == GiveBack::Requeued) {
              r->again = true;
              Model::make_retry(*r, now);
            } else {
              end(r->item);
            }
          }
          break;
        }
        case 7: {
          if (auto* r = some(true)) {
            bool const defer = random() % 2 == 0;
            bool const awaited = defer ? queue.defer(tickets[r->item], now) : queue.hold(tickets[r->item]);
            REQUIRE(awaited == r->awaited);
            if (!awaited) {
              end(r->item);
            } else if (defer) {
              Model::make_retry(*r, now);
            } else {
              r->in_flight = false;
              r->held = true;
              r->late = false;
            }
          }
          break;
        }
        case 8: {
          std::vector<Ticket> released;
          bool const as_retries = random() % 2 == 0;
          for (auto& r : model.requests) {
            if (!r.held || random() % 3 == 0) continue;
            released.push_back(tickets[r.item]);
            r.held = false;
            if (as_retries || r.again) Model::make_retry(r, now);
          }
          std::shuffle(released.begin(), released.end(), random);
          queue.release(released, now, as_retries);
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
      REQUIRE(queue.held() ==
              static_cast<std::size_t>(std::count_if(model.requests.begin(), model.requests.end(),
                                                     [](auto const& r) { return r.held; })));
      REQUIRE(queue.retries() ==
              static_cast<std::size_t>(std::count_if(model.requests.begin(), model.requests.end(),
                                                     [](auto const& r) { return r.retry; })));
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
