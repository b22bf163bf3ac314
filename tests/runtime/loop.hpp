#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <stdexcept>

namespace ei::test {

/// Runs a coroutine and everything that it starts until nothing is left; its exception is thrown here.
/// A test that hangs fails after `limit` instead.
inline void run(std::function<boost::asio::awaitable<void>()> const& body,
                std::chrono::seconds limit = std::chrono::seconds(20)) {
  boost::asio::io_context context(1);
  std::exception_ptr failure;
  bool finished = false;
  boost::asio::co_spawn(context, body, [&](std::exception_ptr exception) {
    failure = exception;
    finished = true;
  });
  context.run_for(limit);
  if (failure) std::rethrow_exception(failure);
  if (!finished) throw std::runtime_error("the test's coroutine did not end in time");
  if (!context.stopped()) throw std::runtime_error("something was still running after the test's end");
}

}  // namespace ei::test
