#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "runtime/http/transport.hpp"
#include "runtime/http/websocket.hpp"

namespace ei::http {

/// The protocol of one WebSocket (RFC 6455): the handshake of either side, and messages as frames with pings
/// in between. Must outlive its operations. One read, and one write or close, at a time.
class WebSocketFrames {
 public:
  WebSocketFrames(AnyStream stream, WebSocketLimits const& limits);
  ~WebSocketFrames();

  /// Answers the upgrade request with 101. Errors: Protocol.
  [[nodiscard]] asio::awaitable<Result<void>> accept(Request request);
  /// Asks for the upgrade. Errors: Timeout, Unavailable, and a refusal by its status.
  [[nodiscard]] asio::awaitable<Result<void>> handshake(WebSocketConnect const& options, SteadyTime deadline);

  /// The next message. Errors: as of WebSocket::receive.
  [[nodiscard]] asio::awaitable<Result<WebSocket::Message>> read();
  /// Errors: as of WebSocket::send.
  [[nodiscard]] asio::awaitable<Result<void>> write(WebSocket::Message const& message);
  /// Sends a close frame and waits for the peer's.
  [[nodiscard]] asio::awaitable<void> close(std::string_view reason);
  /// Closes the socket; operations in progress fail.
  void drop();

  [[nodiscard]] asio::any_io_executor executor();
  [[nodiscard]] std::string const& peer() const { return peer_; }

 private:
  struct Stream;
  std::string peer_;
  std::size_t max_message_;
  milliseconds dead_after_;
  milliseconds close_timeout_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace ei::http
