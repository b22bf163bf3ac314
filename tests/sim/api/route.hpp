#pragma once

#include "operator/backend/kube/protocol/resource.hpp"
#include "runtime/http/message.hpp"
#include "tests/sim/api/schema.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace ei::sim {

/// What a request to the API server is about.
struct Route {
  Kind const* kind = nullptr;
  kube::ObjectKey key;  ///< an empty name: the collection
  std::string subresource;
  std::string query;

  /// A parameter of the query, decoded; empty where it is absent.
  std::string parameter(std::string_view name) const;
  bool is_set(std::string_view name) const { return parameter(name) == "true"; }
};

/// Reads `/api/v1/…` and `/apis/GROUP/VERSION/…`; nothing for other paths and for kinds that are not served.
std::optional<Route> read_route(std::string_view target);

}  // namespace ei::sim
