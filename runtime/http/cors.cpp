#include "runtime/http/cors.hpp"

#include <algorithm>
#include <map>

namespace ei::http {
namespace {

// Chromium remembers a preflight for two hours at most. Ten minutes spare nearly as many requests, and an
// edit of the settings is seen by everybody soon.
constexpr std::string_view kMaxAgeSeconds = "600";

std::string joined(std::vector<std::string> const& words) {
  std::string out;
  for (auto const& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

bool allows_all(CorsOptions const& options) {
  return options.allowed_origins == std::vector<std::string>{"*"};
}

bool allows(CorsOptions const& options, std::string_view origin) {
  auto const& allowed = options.allowed_origins;
  return allows_all(options) || std::find(allowed.begin(), allowed.end(), origin) != allowed.end();
}

asio::awaitable<Response> preflight(CorsOptions const& options, std::string const& methods, Request request) {
  Response out;
  out.status = 204;
  out.headers.set("Allow", methods);
  if (allows(options, request.headers.get("Origin").value_or(""))) {
    out.headers.set("Access-Control-Allow-Methods", methods);
    out.headers.set("Access-Control-Allow-Headers", joined(options.request_headers));
    out.headers.set("Access-Control-Max-Age", std::string(kMaxAgeSeconds));
  }
  co_return out;
}

}  // namespace

void add_cors_headers(CorsOptions const& options, std::string_view origin, Headers& headers) {
  if (options.allowed_origins.empty()) return;
  bool const all = allows_all(options);
  // A cache must not give one origin what was said to another, or to none.
  if (!all) headers.add("Vary", "Origin");
  if (!allows(options, origin)) return;
  headers.set("Access-Control-Allow-Origin", all ? "*" : std::string(origin));
  if (!all) headers.set("Access-Control-Allow-Credentials", "true");
  headers.set("Access-Control-Expose-Headers", joined(options.exposed_headers));
}

std::vector<Route> with_preflight(std::vector<Route> routes, CorsOptions const& options) {
  if (options.allowed_origins.empty()) return routes;
  std::map<std::string, std::string> methods;
  for (Route const& route : routes) {
    std::string& all = methods[route.pattern];
    all += (all.empty() ? "" : ", ") + route.method + (route.method == "GET" ? ", HEAD" : "");
  }
  for (auto const& [pattern, allowed] : methods) {
    Route route;
    route.method = "OPTIONS";
    route.pattern = pattern;
    route.handler = [options, all = allowed + ", OPTIONS"](Request request) {
      return preflight(options, all, std::move(request));
    };
    routes.push_back(std::move(route));
  }
  return routes;
}

}  // namespace ei::http
