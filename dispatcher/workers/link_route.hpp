// The dispatcher's end of the worker link.
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "dispatcher/credential/gate.hpp"
#include "dispatcher/live/live_exchange.hpp"
#include "runtime/http/server.hpp"

namespace ei::dispatcher {

struct LinkOptions {
  /// Judges what a worker shows as `Authorization: Bearer …`.
  LinkGate gate;
  /// From the upgrade to the hello: a worker says it at once.
  milliseconds hello_timeout{5'000};
};

/// The WebSocket route that workers connect to. `service` must outlive the server.
[[nodiscard]] http::WebSocketRoute link_route(asio::any_io_executor executor, LiveExchange& live,
                                              LinkOptions options);

}  // namespace ei::dispatcher
