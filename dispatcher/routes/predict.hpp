#pragma once

#include "dispatcher/routes/routes.hpp"

namespace ei::dispatcher {

/// The picture of a request to /predict, as submitted_picture() finds it; takes the body. Errors: 400, 413,
/// 415.
[[nodiscard]] Result<Work> picture_of(http::Request& request, PictureLimits const& limits);

/// POST /predict and /add_to_queue: one picture in, the most probable labels out.
[[nodiscard]] asio::awaitable<http::Response> predict(RouteContext& context, http::Request request);

}  // namespace ei::dispatcher
