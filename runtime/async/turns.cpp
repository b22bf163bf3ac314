#include "runtime/async/turns.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace ei {

Turns::Waiter::Waiter(Turns& line, asio::any_io_executor const& executor)
    : turns(line), called(executor, asio::steady_timer::time_point::max()) {
  turns.waiting_.push_back(this);
}

Turns::Waiter::~Waiter() {
  turns.waiting_.remove(this);
  // It was called, and was cancelled before it heard.
  if (has_turn) turns.pass_on();
}

asio::awaitable<Turns::Turn> Turns::take() {
  if (!taken_) {
    taken_ = true;
    co_return Turn(*this);
  }
  Waiter waiter(*this, co_await asio::this_coro::executor);
  co_await waiter.called.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!waiter.has_turn) throw boost::system::system_error(asio::error::operation_aborted);
  waiter.has_turn = false;
  co_return Turn(*this);
}

void Turns::pass_on() {
  taken_ = !waiting_.empty();
  if (!taken_) return;
  Waiter& next = *waiting_.front();
  waiting_.pop_front();
  next.has_turn = true;
  next.called.cancel();
}

}  // namespace ei
