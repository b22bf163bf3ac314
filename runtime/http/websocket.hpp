#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/message.hpp"
#include "runtime/http/tls.hpp"
#include "runtime/http/url.hpp"

namespace ei::http {
namespace asio = boost::asio;

struct WebSocketLimits {
  /// Largest message taken, bytes. 100 fp32 tensors of [3,224,224] are 57 MiB; six 10 MiB pictures 60 MiB.
  std::size_t max_message = 64 * 1024 * 1024;
  /// Bytes of messages waiting to be sent, over which send() fails: two largest messages.
  std::size_t max_queued = 128 * 1024 * 1024;
  /// Silence after which the peer is pinged at half time and taken for dead at full time.
  milliseconds dead_after{8'000};
  /// For the closing handshake.
  milliseconds close_timeout{2'000};
};

/// One WebSocket connection, either side (RFC 6455). Use from its executor's thread only.
///
/// A peer that is silent for WebSocketLimits::dead_after although it was pinged makes receive() fail with
/// Timeout; this needs a receive() in progress, which is how pings and pongs are read. Destroying the object
/// aborts the connection.
class WebSocket {
 public:
  struct Message {
    bool binary = true;
    std::string data;
    /// To be sent behind `data`, as one message with it, from where they lie; none in what is received.
    std::vector<std::string_view> more = {};
    std::shared_ptr<void const> owner = {};  ///< of `more`, until it has left
    [[nodiscard]] std::size_t size() const;
  };

  virtual ~WebSocket() = default;

  /// The next message. Errors: Unavailable (closed by the peer, with its reason), Timeout (dead), Protocol
  /// (over the limit, broken frame), Canceled. After an error every later call fails. One call at a time.
  virtual asio::awaitable<Result<Message>> receive() = 0;

  /// Queues the message and waits until it has left; messages leave in the order of the calls, from any
  /// number of coroutines. Errors: TooMany (WebSocketLimits::max_queued), Unavailable or Timeout (connection
  /// lost). Cancelling the caller does not take the message back.
  virtual asio::awaitable<Result<void>> send(Message message) = 0;

  /// Sends what is queued and a close frame, waits for the peer's within close_timeout,
  /// then drops the connection.
  virtual asio::awaitable<void> close(std::string reason) = 0;

  /// Drops the connection at once; receive() and send() in progress fail.
  virtual void abort() = 0;

  [[nodiscard]] virtual std::string const& peer() const = 0;
};

struct WebSocketConnect {
  Url url;          ///< ws or wss
  Headers headers;  ///< Authorization …
  std::optional<TlsClientOptions> tls;
  milliseconds timeout{5'000};  ///< resolve, connect, TLS and upgrade together
  WebSocketLimits limits = {};
};

/// Opens a WebSocket. Errors: Unavailable (resolve, connect), Timeout, Protocol, and an HTTP answer other
/// than 101 by its kind with http_status set (401 → Unauthorized …).
[[nodiscard]] asio::awaitable<Result<std::unique_ptr<WebSocket>>> connect_websocket(
    asio::any_io_executor executor, WebSocketConnect options);

}  // namespace ei::http
