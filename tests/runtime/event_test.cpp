#include "runtime/async/event.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/async/task_group.hpp"
#include "tests/runtime/loop.hpp"

using namespace ei;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

using Clock = std::chrono::steady_clock;

/// Coroutines that wait for one event, each of which notes its number when its wait is over.
struct Crowd {
  explicit Crowd(asio::any_io_executor executor) : event(executor), tasks(executor, {}) {}

  void wait(int number, SteadyTime deadline = SteadyTime::max()) {
    tasks.spawn("wait", [this, number, deadline]() -> asio::awaitable<void> {
      bool const came = co_await event.wait(deadline);
      over.push_back(came ? number : -number);
    });
  }

  Event event;
  std::vector<int> over;  ///< negative: by the deadline
  TaskGroup tasks;
};

/// Lets everything run that can.
asio::awaitable<void> settle() {
  co_await sleep_for(1ms);
}

}  // namespace

TEST_CASE("event: a set event ends every wait, and each later one at once") {
  test::run([]() -> asio::awaitable<void> {
    Crowd crowd(co_await asio::this_coro::executor);
    for (int number = 1; number <= 3; ++number) crowd.wait(number);
    co_await settle();
    CHECK(crowd.over.empty());
    crowd.event.set();
    CHECK(crowd.event.is_set());
    co_await settle();
    CHECK(crowd.over == std::vector<int>{1, 2, 3});
    bool const later = co_await crowd.event.wait();
    CHECK(later);
    bool const past_its_deadline = co_await crowd.event.wait(SteadyTime::min());
    CHECK(past_its_deadline);
    co_await crowd.tasks.stop();
  });
}

TEST_CASE("event: a cleared event is waited for again") {
  test::run([]() -> asio::awaitable<void> {
    Crowd crowd(co_await asio::this_coro::executor);
    crowd.event.set();
    crowd.event.clear();
    CHECK_FALSE(crowd.event.is_set());
    crowd.wait(1);
    co_await settle();
    CHECK(crowd.over.empty());
    // Set and cleared before the one that waits could run: it was awaited, and it happened.
    crowd.event.set();
    crowd.event.clear();
    co_await settle();
    CHECK(crowd.over == std::vector<int>{1});
    co_await crowd.tasks.stop();
  });
}

TEST_CASE("event: a notification ends the waits that have begun, and no later one") {
  test::run([]() -> asio::awaitable<void> {
    Crowd crowd(co_await asio::this_coro::executor);
    crowd.wait(1);
    crowd.wait(2);
    co_await settle();
    crowd.event.notify();
    crowd.wait(3);
    co_await settle();
    CHECK(crowd.over == std::vector<int>{1, 2});
    crowd.event.notify();
    co_await settle();
    CHECK(crowd.over == std::vector<int>{1, 2, 3});
    co_await crowd.tasks.stop();
  });
}

TEST_CASE("event: each wait has its own deadline") {
  test::run([]() -> asio::awaitable<void> {
    Crowd crowd(co_await asio::this_coro::executor);
    crowd.wait(1, Clock::now() - 1s);
    crowd.wait(2, Clock::now() + 1h);
    crowd.wait(3);
    co_await settle();
    CHECK(crowd.over == std::vector<int>{-1});
    crowd.event.set();
    co_await settle();
    CHECK(crowd.over == std::vector<int>{-1, 2, 3});
    co_await crowd.tasks.stop();
  });
}

TEST_CASE("event: a cancelled wait throws and leaves the others alone") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    Crowd crowd(executor);
    crowd.wait(1);
    TaskGroup cancelled(executor, {});
    bool threw = false;
    auto const wait = [&]() -> asio::awaitable<void> {
      try {
        (void)co_await crowd.event.wait(Clock::now() + 1h);
      } catch (boost::system::system_error const& error) {
        threw = error.code() == asio::error::operation_aborted;
      }
    };
    cancelled.spawn("wait", wait);
    co_await settle();
    co_await cancelled.stop();
    CHECK(threw);
    crowd.event.set();
    co_await settle();
    CHECK(crowd.over == std::vector<int>{1});
    co_await crowd.tasks.stop();
  });
}

TEST_CASE("event: its end ends the waits") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto event = std::make_unique<Event>(executor);
    std::vector<std::string> failed;
    TaskGroup tasks(executor, [&](std::string const& name, std::string const&) { failed.push_back(name); });
    auto const wait = [&]() -> asio::awaitable<void> { (void)co_await event->wait(); };
    tasks.spawn("orphan", wait);
    co_await settle();
    event.reset();
    bool const ended = co_await tasks.wait(5s);
    CHECK(ended);
    CHECK(failed == std::vector<std::string>{"orphan"});
  });
}

TEST_CASE("until: a condition is asked at once and after each notification") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    Event changed(executor);
    TaskGroup tasks(executor, {});
    int value = 0;
    int asked = 0;
    auto const is_two = [&] {
      ++asked;
      return value == 2;
    };
    bool came = false;
    auto const wait = [&]() -> asio::awaitable<void> { came = co_await until(changed, is_two); };
    tasks.spawn("wait", wait);
    for (int i = 0; i < 2; ++i) {
      co_await settle();
      CHECK_FALSE(came);
      ++value;
      changed.notify();
    }
    co_await settle();
    CHECK(came);
    CHECK(asked == 3);
    bool const at_once = co_await until(changed, is_two);
    CHECK(at_once);
    co_await tasks.stop();
  });
}

TEST_CASE("until: past its deadline the condition has the last word") {
  test::run([]() -> asio::awaitable<void> {
    Event changed(co_await asio::this_coro::executor);
    auto const never = [] { return false; };
    bool const came = co_await until(changed, never, Clock::now() + 1ms);
    CHECK_FALSE(came);
    int asked = 0;
    auto const late = [&] { return ++asked == 2; };
    bool const came_late = co_await until(changed, late, Clock::now() + 1ms);
    CHECK(came_late);
  });
}
