#pragma once

#include "operator/backend/kube/children/children.hpp"
#include "operator/backend/kube/children/labels.hpp"
#include "runtime/core/json.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <string_view>
#include <vector>

// Children as tests look at them.
namespace ei::kube {

namespace json = boost::json;

inline ei::api::Metadata owner() {
  ei::api::Metadata metadata;
  metadata.name = "resnet18";
  metadata.namespace_name = "vision";
  metadata.uid = "uid-1";
  return metadata;
}

inline ChildOptions options() {
  ChildOptions options;
  options.dispatcher_image = "registry/dispatcher:1";
  options.worker_image = "registry/worker:1";
  return options;
}

inline json::object find(std::vector<Child> const& children, ResourceType const& type,
                         std::string_view name) {
  for (auto const& child : children) {
    if (child.type == type && child.name() == name) return child.object;
  }
  FAIL("no " << type.kind << " " << name);
  return {};
}

inline json::value at(json::object const& object, std::string_view path) {
  json::value const root(object);
  auto const* found = ei::find_member(root, path);
  return found != nullptr ? *found : json::value("missing");
}

inline json::object pod_spec(std::vector<Child> const& children, std::string_view name) {
  return at(find(children, kDeployments, name), "spec.template.spec").as_object();
}

inline json::object container(std::vector<Child> const& children, std::string_view name) {
  return pod_spec(children, name).at("containers").as_array().at(0).as_object();
}

/// The value that follows a flag.
inline std::string flag(json::object const& container, std::string_view name) {
  auto const& arguments = container.at("args").as_array();
  for (std::size_t i = 0; i + 1 < arguments.size(); ++i) {
    if (arguments[i].as_string() == name) return std::string(arguments[i + 1].as_string());
  }
  return "missing";
}

}  // namespace ei::kube
