#include "runtime/http/routing.hpp"

#include <algorithm>
#include <set>

#include "runtime/core/encoding.hpp"

namespace ei::http {
namespace {

std::vector<std::string_view> segments(std::string_view path) {
  std::vector<std::string_view> out;
  if (path.starts_with('/')) path.remove_prefix(1);
  for (;;) {
    auto const slash = path.find('/');
    out.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    path.remove_prefix(slash + 1);
  }
}

bool is_parameter(std::string_view segment) {
  return segment.starts_with('{') && segment.ends_with('}');
}

struct PathMatch {
  std::map<std::string, std::string> params;
  std::string
      rank;  // one character a segment, 'a' for a literal and 'b' for a parameter: the smaller, the closer
};

std::optional<PathMatch> match_path(std::string_view pattern, std::vector<std::string_view> const& path) {
  auto const wanted = segments(pattern);
  if (wanted.size() != path.size()) return {};
  PathMatch match;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    auto decoded = percent_decode(path[i]);
    if (!decoded) return {};
    if (is_parameter(wanted[i])) {
      if (decoded->empty()) return {};
      match.params.emplace(wanted[i].substr(1, wanted[i].size() - 2), std::move(*decoded));
      match.rank += 'b';
    } else {
      if (wanted[i] != *decoded) return {};
      match.rank += 'a';
    }
  }
  return match;
}

bool serves(std::string_view route_method, std::string_view method) {
  return route_method.empty() || route_method == method || (route_method == "GET" && method == "HEAD");
}

std::string join(std::set<std::string> const& methods) {
  std::string out;
  for (std::string const& method : methods) out += (out.empty() ? "" : ", ") + method;
  return out;
}

}  // namespace

RouteMatch match_route(std::vector<RoutePattern> const& routes, std::string_view method,
                       std::string_view path) {
  RouteMatch best;
  std::string best_rank;
  bool best_exact = false;
  std::set<std::string> allowed;
  auto const parts = segments(path);
  for (std::size_t i = 0; i < routes.size(); ++i) {
    auto match = match_path(routes[i].pattern, parts);
    if (!match) continue;
    allowed.insert(routes[i].method);
    if (routes[i].method == "GET") allowed.insert("HEAD");
    if (!serves(routes[i].method, method)) continue;
    bool const exact = routes[i].method == method;
    bool const closer = match->rank < best_rank || (match->rank == best_rank && exact && !best_exact);
    if (best.index && !closer) continue;
    best.index = i;
    best.params = std::move(match->params);
    best_rank = std::move(match->rank);
    best_exact = exact;
  }
  if (!best.index) best.allow = join(allowed);
  return best;
}

}  // namespace ei::http
