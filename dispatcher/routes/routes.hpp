// The dispatcher's HTTP routes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dispatcher/picture/inspect.hpp"
#include "dispatcher/service/service.hpp"
#include "runtime/http/server.hpp"

namespace ei::dispatcher {

struct RouteOptions {
  std::string model = "resnet18";
  milliseconds request_timeout{30'000};  ///< the longest deadline; X-Request-Timeout-Ms shortens it
  PictureLimits picture;
};

/// What every handler needs. Must outlive the server.
struct RouteContext {
  Service& service;
  RouteOptions options;
  std::function<std::string()> exposition;  ///< of the metrics, at the present time
};

/// Everything but the infer route is small; a form may add its envelope to the greatest picture.
inline constexpr std::size_t kFormEnvelopeBytes = 64 * 1024;
/// The greatest picture by default is 14 MiB as base64; 27 tensors as binary are 16.
inline constexpr std::size_t kMaxInferBytes = std::size_t{16} << 20;

/// The routes of the main port. `context` must outlive the server.
[[nodiscard]] std::vector<http::Route> main_routes(RouteContext& context);

/// The routes of the metrics port: /metrics, /healthz and /readyz.
[[nodiscard]] std::vector<http::Route> metrics_routes(RouteContext& context);

}  // namespace ei::dispatcher
