#include "tests/sim/api/route.hpp"

#include <vector>

namespace ei::sim {
namespace {

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    path.remove_prefix(1);
    auto const end = std::min(path.find('/'), path.size());
    segments.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return segments;
}

}  // namespace

std::string Route::parameter(std::string_view name) const {
  return http::query_value(query, name).value_or(std::string());
}

std::optional<Route> read_route(std::string_view target) {
  auto const mark = std::min(target.find('?'), target.size());
  Route route;
  route.query = target.substr(std::min(mark + 1, target.size()));
  auto const parts = segments_of(target.substr(0, mark));
  bool const core = parts.size() > 2 && parts[0] == "api";
  if (!core && (parts.size() < 4 || parts[0] != "apis")) return std::nullopt;
  std::size_t at = core ? 2 : 3;
  if (parts[at] == "namespaces" && at + 2 < parts.size()) {
    route.key.namespace_name = parts[at + 1];
    at += 2;
  }
  route.kind = find_kind(core ? "" : parts[1], parts[core ? 1 : 2], parts[at]);
  if (route.kind == nullptr) return std::nullopt;
  if (at + 1 < parts.size()) route.key.name = parts[at + 1];
  if (at + 2 < parts.size()) route.subresource = parts[at + 2];
  return route;
}

}  // namespace ei::sim
