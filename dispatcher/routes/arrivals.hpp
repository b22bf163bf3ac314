#pragma once

#include <boost/asio/awaitable.hpp>

#include "dispatcher/routes/routes.hpp"

namespace ei::dispatcher {

/// Handles GET /arrivals?known=N&wait_ms=M; see dispatcher/contract/arrivals.hpp.
[[nodiscard]] asio::awaitable<http::Response> arrivals(RouteContext& context, http::Request request);

}  // namespace ei::dispatcher
