#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ei::http {

/// What the router knows of a route.
struct RoutePattern {
  std::string method;  ///< "" matches any method (a WebSocket path is asked for with GET)
  std::string pattern;
};

struct RouteMatch {
  std::optional<std::size_t> index;           ///< into the patterns; none: answer 404, or 405 with `allow`
  std::map<std::string, std::string> params;  ///< percent-decoded
  std::string allow;                          ///< for 405: the methods of the path, `GET, HEAD, POST`
};

/// Finds the route for a method and a path (without query). Pure. A literal segment beats a parameter, left
/// to right; HEAD falls back to GET. A path with a broken escape matches nothing.
[[nodiscard]] RouteMatch match_route(std::vector<RoutePattern> const& routes, std::string_view method,
                                     std::string_view path);

}  // namespace ei::http
