// Cross-origin resource sharing (https://fetch.spec.whatwg.org/#http-cors-protocol): which pages of other
// origins a browser lets read our answers. Pure but for the routes that it adds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/http/message.hpp"
#include "runtime/http/server.hpp"

namespace ei::http {

struct CorsOptions {
  /// Exact origins (is_web_origin), or `*` alone for all of them. Empty: no cross-origin reading.
  std::vector<std::string> allowed_origins;
  std::vector<std::string> request_headers;  ///< that pages may send, beside the few that they always may
  std::vector<std::string> exposed_headers;  ///< of answers, that pages may read, beside the few
};

/// Adds what a browser must find in every answer, also in errors. `origin` is the request's Origin, "" for
/// none. A listed origin may send its credentials along; with `*` nobody may, as any page could then act for
/// its user. Nothing without allowed origins.
void add_cors_headers(CorsOptions const& options, std::string_view origin, Headers& headers);

/// The routes, and where there are allowed origins one more for each path that answers a browser's preflight
/// (OPTIONS) with 204, the path's methods and how long the browser may remember them.
[[nodiscard]] std::vector<Route> with_preflight(std::vector<Route> routes, CorsOptions const& options);

}  // namespace ei::http
