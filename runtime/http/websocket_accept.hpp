#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "runtime/http/transport.hpp"
#include "runtime/http/websocket.hpp"

namespace ei::http {

/// Answers a checked upgrade request with 101 and takes the stream over. Errors:
/// Protocol, Timeout, Unavailable.
[[nodiscard]] asio::awaitable<Result<std::unique_ptr<WebSocket>>> accept_websocket(
    std::unique_ptr<Transport> transport, Request request, WebSocketLimits limits);

}  // namespace ei::http
