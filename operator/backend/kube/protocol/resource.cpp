#include "operator/backend/kube/protocol/resource.hpp"

#include "runtime/core/encoding.hpp"

namespace ei::kube {

std::string api_version(ResourceType const& type) {
  if (type.group.empty()) return std::string(type.version);
  return std::string(type.group).append("/").append(type.version);
}

std::string discovery_path(ResourceType const& type) {
  return (type.group.empty() ? "/api/" : "/apis/") + api_version(type);
}

std::string collection_path(ResourceType const& type, std::string_view namespace_name) {
  std::string path = discovery_path(type);
  if (!namespace_name.empty()) path.append("/namespaces/").append(percent_encode(namespace_name));
  return path.append("/").append(type.plural);
}

std::string object_path(ResourceType const& type, ObjectKey const& key, std::string_view subresource) {
  std::string path = collection_path(type, key.namespace_name);
  path.append("/").append(percent_encode(key.name));
  if (!subresource.empty()) path.append("/").append(subresource);
  return path;
}

std::string query_string(std::vector<std::pair<std::string_view, std::string>> const& parameters) {
  std::string query;
  for (auto const& [name, value] : parameters) {
    if (value.empty()) continue;
    query.append(query.empty() ? "?" : "&").append(name).append("=").append(percent_encode(value));
  }
  return query;
}

}  // namespace ei::kube
