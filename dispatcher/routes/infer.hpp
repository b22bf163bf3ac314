#pragma once

#include "dispatcher/routes/routes.hpp"

namespace ei::dispatcher {

/// POST /v2/models/{model}[/versions/{version}]/infer.
[[nodiscard]] asio::awaitable<http::Response> infer(RouteContext& context, http::Request request);

/// GET /v2/models/{model}[/versions/{version}].
[[nodiscard]] http::Response model(RouteContext& context, http::Request const& request);

/// GET /v2/models/{model}[/versions/{version}]/ready: 200 while a worker is linked, else 503.
[[nodiscard]] http::Response model_ready(RouteContext& context, http::Request const& request);

/// GET /v2/health/ready: 200 while requests are taken and a worker is linked, else 503.
[[nodiscard]] http::Response inference_ready(RouteContext& context);

}  // namespace ei::dispatcher
