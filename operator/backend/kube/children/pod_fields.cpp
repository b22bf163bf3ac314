#include "operator/backend/kube/children/pod_fields.hpp"

#include "operator/plan/footprint.hpp"
#include "runtime/core/units.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace ei::kube {
namespace {

namespace json = boost::json;

constexpr std::int64_t kMilliOfMib = std::int64_t{1024} * 1024 * 1000;

json::array spread(json::value const& wanted, json::object own) {
  json::object selector{{"matchLabels", std::move(own)}};
  if (wanted.is_null()) {
    return {json::object{{"maxSkew", 1},
                         {"topologyKey", "kubernetes.io/hostname"},
                         {"whenUnsatisfiable", "ScheduleAnyway"},
                         {"labelSelector", std::move(selector)}}};
  }
  json::array constraints = wanted.as_array();
  for (auto& each : constraints) {
    auto& constraint = each.as_object();
    // Without a selector no pod would be counted, so nothing would be spread.
    auto const* given = constraint.if_contains("labelSelector");
    if (given == nullptr || given->is_null()) constraint["labelSelector"] = selector;
  }
  return constraints;
}

json::array pull_secrets(std::vector<std::string> names, std::vector<std::string> const& more) {
  for (auto const& name : more) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  json::array secrets;
  for (auto const& name : names) secrets.push_back(json::object{{"name", name}});
  return secrets;
}

}  // namespace

void place_pods(json::object& pod, json::object own, api::Pods const& pods, ChildOptions const& options) {
  auto constraints = spread(pods.topology_spread, std::move(own));
  if (!constraints.empty()) pod["topologySpreadConstraints"] = std::move(constraints);
  auto const& priority = pods.priority_class.empty() ? options.priority_class : pods.priority_class;
  if (!priority.empty()) pod["priorityClassName"] = priority;
  if (!pods.service_account.empty()) pod["serviceAccountName"] = pods.service_account;
  auto secrets = pull_secrets(options.image_pull_secrets, pods.image_pull_secrets);
  if (!secrets.empty()) pod["imagePullSecrets"] = std::move(secrets);
  if (!pods.node_selector.empty()) {
    json::object selector;
    for (auto const& [name, value] : pods.node_selector) selector[name] = value;
    pod["nodeSelector"] = std::move(selector);
  }
  if (!pods.tolerations.is_null()) pod["tolerations"] = pods.tolerations;
  if (!pods.affinity.is_null()) pod["affinity"] = pods.affinity;
}

json::array environment(api::Pods const& pods) {
  json::array variables;
  for (auto const& each : pods.env)
    variables.push_back(json::object{{"name", each.name}, {"value", each.value}});
  return variables;
}

std::string memory_limit(std::string const& reserved, std::int64_t needed_mib) {
  auto const milli = parse_quantity_milli(reserved);
  bool const more = milli && *milli > needed_mib * kMilliOfMib;
  return more ? reserved : plan::quantity_of_mib(needed_mib);
}

}  // namespace ei::kube
