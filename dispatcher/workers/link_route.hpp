// The dispatcher's end of the worker link.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <string>

#include "dispatcher/service/service.hpp"
#include "runtime/http/server.hpp"

namespace ei::dispatcher {

struct LinkOptions {
  /// What a worker must show as `Authorization: Bearer <token>`; empty lets everybody in.
  std::string token;
  /// From the upgrade to the hello: a worker says it at once.
  milliseconds hello_timeout{5'000};
};

/// The WebSocket route that workers connect to. `service` must outlive the server.
[[nodiscard]] http::WebSocketRoute link_route(asio::any_io_executor executor, Service& service,
                                              LinkOptions options);

}  // namespace ei::dispatcher
