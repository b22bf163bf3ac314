#include "runtime/http/resolve.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

namespace ei::http {
namespace {

using asio::ip::tcp;
using Endpoints = std::vector<tcp::endpoint>;

Result<Endpoints> look_up(std::string const& host, std::uint16_t port) {
  asio::io_context unused;  // a resolver wants one, but looks up on the calling thread
  tcp::resolver resolver(unused);
  boost::system::error_code code;
  auto const found = resolver.resolve(host, std::to_string(port), code);
  if (code) return make_error(ErrorKind::Unavailable, "cannot resolve " + host + ": " + code.message());
  Endpoints endpoints;
  for (auto const& entry : found) endpoints.push_back(entry.endpoint());
  return endpoints;
}

/// Who waits for an answer, on the executor's thread.
struct Waiter {
  explicit Waiter(asio::any_io_executor const& executor) : timer(executor) {}
  asio::steady_timer timer;
  std::optional<Result<Endpoints>> found;
};

/// What the two threads share: the look-up outlives its waiter, and even the executor.
struct Question {
  std::mutex mutex;
  std::shared_ptr<Waiter> waiter;  ///< none: nobody waits any more
};

void answer(Question& question, Result<Endpoints> found) {
  std::lock_guard const lock(question.mutex);
  if (!question.waiter) return;
  auto const executor = question.waiter->timer.get_executor();
  asio::post(executor, [waiter = question.waiter, found = std::move(found)]() mutable {
    waiter->found = std::move(found);
    waiter->timer.cancel();
  });
}

/// However the wait ends, a late answer finds nobody.
struct Leave {
  explicit Leave(std::shared_ptr<Question> asked) : question(std::move(asked)) {}
  Leave(Leave const&) = delete;
  Leave& operator=(Leave const&) = delete;
  ~Leave() {
    std::lock_guard const lock(question->mutex);
    question->waiter.reset();
  }
  std::shared_ptr<Question> question;
};

Result<void> ask(std::shared_ptr<Question> const& question, std::string const& host, std::uint16_t port) {
  try {
    // Asio's own resolver has one thread, which its io_context's end waits for: for minutes,
    // when no name server answers.
    std::thread([question, host, port] { answer(*question, look_up(host, port)); }).detach();
    return {};
  } catch (std::system_error const& error) {
    return make_error(ErrorKind::Unavailable, "cannot resolve " + host + ": " + error.what());
  }
}

}  // namespace

IpBytes bytes_of(asio::ip::address const& address) {
  IpBytes bytes{};
  if (address.is_v6()) {
    auto const v6 = address.to_v6().to_bytes();
    std::copy(v6.begin(), v6.end(), bytes.begin());
    return bytes;
  }
  auto const v4 = address.to_v4().to_bytes();
  bytes[10] = bytes[11] = 0xFF;
  std::copy(v4.begin(), v4.end(), bytes.begin() + 12);
  return bytes;
}

asio::awaitable<Result<Endpoints>> resolve(asio::any_io_executor executor, std::string host,
                                           std::uint16_t port, SteadyTime deadline) {
  boost::system::error_code code;
  auto const address = asio::ip::make_address(host, code);
  if (!code) co_return Endpoints(1, tcp::endpoint(address, port));
  auto const waiter = std::make_shared<Waiter>(executor);
  waiter->timer.expires_at(deadline);
  auto const question = std::make_shared<Question>();
  question->waiter = waiter;
  Leave const leave(question);
  if (auto const asked = ask(question, host, port); !asked) co_return asked.error();
  // The answer cannot come before this wait: both run on the executor's thread.
  auto const [waited] = co_await waiter->timer.async_wait(asio::as_tuple(asio::use_awaitable));
  if (waiter->found) co_return std::move(*waiter->found);
  if (!waited) co_return make_error(ErrorKind::Timeout, "resolving " + host + " took too long");
  co_return make_error(ErrorKind::Canceled, "resolving " + host + " ended");
}

}  // namespace ei::http
