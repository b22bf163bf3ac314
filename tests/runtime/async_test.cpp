#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "runtime/async/deadline.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/async/turns.hpp"
#include "tests/runtime/loop.hpp"

using namespace ei;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

asio::awaitable<Result<int>> slow_answer(milliseconds after) {
  co_await sleep_for(after);
  co_return 42;
}

}  // namespace

TEST_CASE("a stopped task group has no task left") {
  test::run([]() -> asio::awaitable<void> {
    std::vector<std::string> failures;
    auto note = [&failures](std::string const& name, std::string const& what) {
      failures.push_back(name + ": " + what);
    };
    TaskGroup tasks(co_await asio::this_coro::executor, note);
    auto const alive = std::make_shared<int>(0);
    auto forever = [alive]() -> asio::awaitable<void> {
      for (;;) co_await sleep_for(1h);
    };
    for (int i = 0; i < 3; ++i) tasks.spawn("forever", forever);
    CHECK(tasks.size() == 3);
    co_await sleep_for(5ms);
    co_await tasks.stop();
    CHECK(tasks.size() == 0);
    CHECK(failures.empty());
    tasks.spawn("late", forever);
    CHECK(tasks.size() == 0);
  });
}

TEST_CASE("a task that throws is reported once, by name, and hurts no other") {
  test::run([]() -> asio::awaitable<void> {
    std::vector<std::string> failures;
    auto note = [&failures](std::string const& name, std::string const& what) {
      failures.push_back(name + ": " + what);
    };
    TaskGroup tasks(co_await asio::this_coro::executor, note);
    int finished = 0;
    auto throwing = []() -> asio::awaitable<void> {
      co_await sleep_for(1ms);
      throw std::runtime_error("broken");
    };
    auto good = [&finished]() -> asio::awaitable<void> {
      co_await sleep_for(5ms);
      ++finished;
    };
    tasks.spawn("bad", throwing);
    tasks.spawn("good", good);
    bool const emptied = co_await tasks.wait(5s);
    CHECK(emptied);
    CHECK(finished == 1);
    REQUIRE(failures.size() == 1);
    CHECK(failures.front() == "bad: broken");
  });
}

TEST_CASE("waiting for tasks gives up at its timeout") {
  test::run([]() -> asio::awaitable<void> {
    TaskGroup tasks(co_await asio::this_coro::executor, nullptr);
    auto forever = []() -> asio::awaitable<void> { co_await sleep_for(1h); };
    tasks.spawn("forever", forever);
    bool const emptied = co_await tasks.wait(10ms);
    CHECK_FALSE(emptied);
    co_await tasks.stop();
  });
}

TEST_CASE("what work throws under a deadline comes out at once") {
  test::run([]() -> asio::awaitable<void> {
    auto const failing = []() -> asio::awaitable<Result<int>> {
      co_await sleep_for(1ms);
      throw std::logic_error("a bug");
    };
    std::string seen;
    try {
      (void)co_await within(1h, std::string("the answer"), failing());
    } catch (std::logic_error const& fault) {
      seen = fault.what();
    }
    CHECK(seen == "a bug");
  });
}

TEST_CASE("a deadline cuts work short and a timely answer passes") {
  test::run([]() -> asio::awaitable<void> {
    auto const late = co_await within(20ms, std::string("the answer"), slow_answer(1h));
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().kind == ErrorKind::Timeout);
    CHECK(late.error().message == "the answer took longer than 20ms");
    auto const timely = co_await within(10s, std::string("the answer"), slow_answer(1ms));
    REQUIRE(timely.has_value());
    CHECK(*timely == 42);
  });
}

namespace {

// Takes a turn, notes it, and keeps it for as long as `hold` takes.
asio::awaitable<void> have_turn(Turns& turns, std::string& order, char name, milliseconds hold) {
  auto const turn = co_await turns.take();
  order += name;
  co_await sleep_for(hold);
  order += name;
}

}  // namespace

TEST_CASE("turns are taken one at a time, in the order in which they were asked for") {
  test::run([]() -> asio::awaitable<void> {
    TaskGroup tasks(co_await asio::this_coro::executor, nullptr);
    Turns turns;
    std::string order;
    for (char const name : {'a', 'b', 'c', 'd'}) {
      // The later ones hold theirs for less: nobody overtakes.
      auto const hold = milliseconds('e' - name);
      tasks.spawn("turn", [&turns, &order, name, hold] { return have_turn(turns, order, name, hold); });
    }
    bool const ended = co_await tasks.wait(10s);
    CHECK(ended);
    CHECK(order == "aabbccdd");
    CHECK(turns.waiting() == 0);
    co_await have_turn(turns, order, 'e', 1ms);
    CHECK(order == "aabbccddee");
  });
}

TEST_CASE("who is cancelled while it waits for its turn, or has it, holds up nobody") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    Turns turns;
    std::string order;
    TaskGroup holder(executor, nullptr);
    TaskGroup waiter(executor, nullptr);
    TaskGroup last(executor, nullptr);
    holder.spawn("a", [&] { return have_turn(turns, order, 'a', 1h); });
    co_await sleep_for(1ms);
    waiter.spawn("b", [&] { return have_turn(turns, order, 'b', 1h); });
    co_await sleep_for(1ms);
    last.spawn("c", [&] { return have_turn(turns, order, 'c', 1ms); });
    co_await sleep_for(1ms);
    CHECK(turns.waiting() == 2);
    co_await waiter.stop();
    CHECK(turns.waiting() == 1);
    co_await holder.stop();
    bool const ended = co_await last.wait(10s);
    CHECK(ended);
    CHECK(order == "acc");
  });
}
