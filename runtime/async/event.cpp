#include "runtime/async/event.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <list>

#include "runtime/async/clock.hpp"

namespace ei {
namespace {

/// One wait, on its coroutine's own stack. A timer is the only thing of asio that another can end early.
struct Waiter {
  Waiter(asio::any_io_executor const& executor, SteadyTime deadline) : timer(executor, deadline) {}
  Timer timer;
  bool woken = false;
};

}  // namespace

struct Event::State {
  explicit State(asio::any_io_executor ex) : executor(std::move(ex)) {}

  void wake() {
    for (Waiter* const each : waiters) {
      each->woken = true;
      each->timer.cancel();
    }
    waiters.clear();
  }

  asio::any_io_executor executor;
  std::list<Waiter*> waiters;
  bool set = false;
};

namespace {

/// In the list for as long as it lives: a coroutine may also be destroyed while it waits.
struct Listed {
  std::list<Waiter*>& list;
  Waiter& waiter;
  Listed(std::list<Waiter*>& in, Waiter& one) : list(in), waiter(one) { list.push_back(&waiter); }
  ~Listed() { list.remove(&waiter); }
};

}  // namespace

Event::Event(asio::any_io_executor executor) : state_(std::make_shared<State>(std::move(executor))) {}

Event::~Event() {
  for (Waiter* const each : state_->waiters) each->timer.cancel();
}

void Event::set() {
  state_->set = true;
  state_->wake();
}

void Event::clear() {
  state_->set = false;
}

bool Event::is_set() const {
  return state_->set;
}

void Event::notify() {
  state_->wake();
}

asio::awaitable<bool> Event::wait(SteadyTime deadline) {
  auto const state = state_;  // the event may end before the wait does
  if (state->set) co_return true;
  Waiter waiter(state->executor, deadline);
  Listed const listed(state->waiters, waiter);
  auto const [code] = co_await waiter.timer.async_wait(asio::as_tuple(asio::use_awaitable));
  if (waiter.woken) co_return true;
  if (code) throw boost::system::system_error(code);
  co_return false;
}

asio::awaitable<bool> Event::wait_or_cancel(SteadyTime deadline) {
  try {
    co_return co_await wait(deadline);
  } catch (boost::system::system_error const&) {
    co_return false;
  }
}

}  // namespace ei
