#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "runtime/async/clock.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

namespace ei {
namespace asio = boost::asio;

namespace detail {

template <class T>
struct Outcome {
  std::optional<Result<T>> returned;
  std::exception_ptr thrown;
};

/// `||` below waits for one that returns, and would not see one that throws.
template <class T>
asio::awaitable<Outcome<T>> outcome_of(asio::awaitable<Result<T>> work) {
  Outcome<T> outcome;
  try {
    outcome.returned.emplace(co_await std::move(work));
  } catch (...) {
    outcome.thrown = std::current_exception();
  }
  co_return outcome;
}

}  // namespace detail

/// Runs `work` for at most `timeout`; past it, cancels it (terminal), waits for it to unwind, and gives
/// ErrorKind::Timeout with `what` in the message. `work` must honour cancellation, as every asio operation
/// does. What it throws comes out of here, at once.
template <class T>
[[nodiscard]] asio::awaitable<Result<T>> within(milliseconds timeout, std::string what,
                                                asio::awaitable<Result<T>> work) {
  using asio::experimental::awaitable_operators::operator||;
  Timer timer(co_await asio::this_coro::executor);
  timer.expires_after(timeout);
  auto first = co_await (detail::outcome_of(std::move(work)) || timer.async_wait(asio::use_awaitable));
  if (auto* outcome = std::get_if<0>(&first)) {
    if (outcome->thrown) std::rethrow_exception(outcome->thrown);
    co_return std::move(*outcome->returned);
  }
  co_return make_error(ErrorKind::Timeout, what + " took longer than " + format_duration(timeout));
}

}  // namespace ei
