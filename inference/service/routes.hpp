#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dispatcher/contract/picture/inspect.hpp"
#include "inference/service/worker.hpp"
#include "runtime/http/server.hpp"

namespace ei::inference {

struct RouteContext {
  Worker& worker;
  std::string model_name;
  std::function<std::string()> exposition;
  dispatcher::PictureLimits limits = {};
};

/// `POST /predict`, `GET /`, `/healthz`, `/readyz`. The context must outlive the server.
[[nodiscard]] std::vector<http::Route> main_routes(RouteContext& context);

/// `GET /metrics`, `/healthz`.
[[nodiscard]] std::vector<http::Route> metrics_routes(RouteContext& context);

}  // namespace ei::inference
