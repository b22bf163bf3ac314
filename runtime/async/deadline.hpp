#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <string>
#include <utility>
#include <variant>

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

namespace ei {
namespace asio = boost::asio;

/// Runs `work` for at most `timeout`; past it, cancels it (terminal), waits for it to unwind, and gives
/// ErrorKind::Timeout with `what` in the message. `work` must honour cancellation, as every asio operation
/// does.
template <class T>
[[nodiscard]] asio::awaitable<Result<T>> within(milliseconds timeout, std::string what,
                                                asio::awaitable<Result<T>> work) {
  using asio::experimental::awaitable_operators::operator||;
  asio::steady_timer timer(co_await asio::this_coro::executor);
  timer.expires_after(timeout);
  std::variant<Result<T>, std::monostate> first =
      co_await (std::move(work) || timer.async_wait(asio::use_awaitable));
  if (first.index() == 0) co_return std::move(std::get<0>(first));
  co_return make_error(ErrorKind::Timeout, what + " took longer than " + format_duration(timeout));
}

}  // namespace ei
