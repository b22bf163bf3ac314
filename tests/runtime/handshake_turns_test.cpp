#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "runtime/http/handshake_turns.hpp"

using namespace ei;
using namespace std::chrono_literals;
using http::HandshakeTurns;

namespace {

constexpr SteadyTime kStart{1h};
constexpr http::HandshakeLimits kHalf{0.5, 50ms, 5s};

}  // namespace

TEST_CASE("the addresses have their turns one after the other, each its handshakes in their order") {
  HandshakeTurns turns(kHalf);
  auto const a1 = turns.enter("a", false);
  auto const a2 = turns.enter("a", false);
  auto const a3 = turns.enter("a", false);
  auto const b1 = turns.enter("b", false);
  auto const a4 = turns.enter("a", true);  // the step that ends one that has begun
  auto const c1 = turns.enter("c", false);
  turns.leave(a2);
  CHECK(turns.waiting() == 5);
  std::vector<std::uint64_t> order;
  while (auto const next = turns.next(kStart)) order.push_back(*next);
  CHECK(order == std::vector{a4.number, b1.number, c1.number, a1.number, a3.number});
  CHECK(turns.waiting() == 0);
  turns.leave(a1);  // who has had its turn is not in the line
  CHECK(turns.waiting() == 0);
}

TEST_CASE("a crowd of one address costs another no more than one turn") {
  HandshakeTurns turns(kHalf);
  for (int i = 0; i < 1000; ++i) CHECK(turns.enter("crowd", false).number > 0);
  CHECK(turns.next(kStart));
  auto const honest = turns.enter("honest", false);
  CHECK(turns.next(kStart) == honest.number);
}

TEST_CASE("handshakes take their share of the time and not more, however dear one is") {
  struct Row {
    std::chrono::microseconds step;
    double share;
    std::string why;
  };
  for (Row const& row :
       {Row{680us, 0.5, "ECDSA"}, Row{5760us, 0.5, "RSA-4096"}, Row{680us, 0.25, "a smaller share"},
        Row{200ms, 0.5, "one is longer than a burst"}, Row{50us, 0.5, "steps that cost little"}}) {
    INFO(row.why);
    HandshakeTurns turns({row.share, 50ms, 5s});
    auto now = kStart;
    bool moves = true;
    while (moves && now < kStart + 20s) {
      auto const ticket = turns.enter("crowd", false);
      if (turns.next(now)) {
        now += row.step;
        turns.spend(row.step, now);
      } else {
        turns.leave(ticket);
        moves = turns.ready() > now;
        now = turns.ready();
      }
    }
    CHECK(moves);
    auto const most =
        std::chrono::duration<double>(now - kStart).count() * row.share + 0.05 + row.step / 1.0s;
    CHECK(turns.spent() / 1.0s <= most);
    CHECK(turns.spent() / 1.0s > 0.95 * most - row.step / 1.0s);
  }
}

TEST_CASE("after a quiet while a burst passes at once, and quiet is not saved up") {
  for (auto const quiet : {1s, 3600s}) {
    HandshakeTurns turns(kHalf);
    auto now = kStart;
    turns.spend(1ms, now);
    now += quiet;
    auto const begin = now;
    for (;;) {
      auto const ticket = turns.enter("clients", false);
      if (!turns.next(now)) break;
      now += 1ms;
      turns.spend(1ms, now);
    }
    CHECK(now - begin >= 50ms);
    CHECK(now - begin <= 52ms);
  }
}
