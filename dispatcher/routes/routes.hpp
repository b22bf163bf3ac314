// The dispatcher's HTTP routes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dispatcher/contract/picture/inspect.hpp"
#include "dispatcher/live/live_exchange.hpp"
#include "dispatcher/oip/infer.hpp"
#include "runtime/http/cors.hpp"
#include "runtime/http/server.hpp"

namespace ei::dispatcher {

struct RouteOptions {
  oip::ServedModel model{"resnet18"};
  milliseconds request_timeout{30'000};  ///< the longest deadline; X-Request-Timeout-Ms shortens it
  PictureLimits picture;
  std::vector<std::string>
      cors_allowed_origins;  ///< exact ones, or `*` alone; none: no page of another origin
};

/// What a browser tells the pages of the allowed origins, and takes from them.
[[nodiscard]] http::CorsOptions cors_options(RouteOptions const& options);

/// What every handler needs. Must outlive the server.
struct RouteContext {
  LiveExchange& live;
  RouteOptions options;
  std::function<std::string()> exposition;  ///< of the metrics, at the present time
};

/// The routes of the main port. `context` must outlive the server.
[[nodiscard]] std::vector<http::Route> main_routes(RouteContext& context);

/// The routes of the metrics port: /metrics, /healthz, /readyz and /arrivals.
[[nodiscard]] std::vector<http::Route> metrics_routes(RouteContext& context);

}  // namespace ei::dispatcher
