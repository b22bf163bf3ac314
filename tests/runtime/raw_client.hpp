#pragma once

#include <fcntl.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <string>

#include "runtime/async/deadline.hpp"

namespace ei::test {
namespace asio = boost::asio;
using asio::ip::tcp;

/// A socket that sends exactly what a test says: for what a well-behaved client never does.
class RawClient {
 public:
  static asio::awaitable<RawClient> connect(std::uint16_t port, std::string from = "") {
    tcp::socket socket(co_await asio::this_coro::executor);
    socket.open(tcp::v4());
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    if (!from.empty()) socket.bind(tcp::endpoint(asio::ip::make_address(from), 0));
    tcp::endpoint const endpoint(asio::ip::address_v4::loopback(), port);
    co_await socket.async_connect(endpoint, asio::use_awaitable);
    co_return RawClient(std::move(socket));
  }

  asio::awaitable<void> send(std::string bytes) {
    if (broken_) co_return;  // Asio would wait for ever
    auto const [code, size] =
        co_await asio::async_write(socket_, asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
    broken_ = bool(code);
  }

  /// Everything until the server closes.
  asio::awaitable<std::string> read_to_end() {
    std::string bytes;
    auto buffer = asio::dynamic_buffer(bytes);
    co_await asio::async_read(socket_, buffer, asio::as_tuple(asio::use_awaitable));
    co_return bytes;
  }

  /// At most so many bytes; none at the end.
  asio::awaitable<std::string> read_some(std::size_t most) {
    std::string bytes(most, '\0');
    auto const [code, size] =
        co_await socket_.async_read_some(asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
    bytes.resize(code ? 0 : size);
    co_return bytes;
  }

  /// Bytes until `mark` has come (or the end).
  asio::awaitable<std::string> read_until(std::string mark) {
    std::string got;
    while (got.find(mark) == std::string::npos) {
      char byte = 0;
      auto const [code, size] =
          co_await socket_.async_read_some(asio::buffer(&byte, 1), asio::as_tuple(asio::use_awaitable));
      if (code) break;
      got += byte;
    }
    co_return got;
  }

  void close() { socket_.close(); }
  void finish_sending() { socket_.shutdown(tcp::socket::shutdown_send); }

 private:
  explicit RawClient(tcp::socket socket) : socket_(std::move(socket)) {}
  tcp::socket socket_;
  bool broken_ = false;
};

/// Of an answer as it was read; 0 where there is none.
inline int status_of(std::string const& answer) {
  return answer.size() < 12 ? 0 : std::stoi(answer.substr(9, 3));
}

}  // namespace ei::test
