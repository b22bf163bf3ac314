#include "tests/sim/api/schema.hpp"

#include <algorithm>
#include <array>

namespace ei::sim {
namespace {

namespace json = boost::json;

constexpr std::array kAtomicMaps = {"selector",     "labelSelector", "podSelector",     "namespaceSelector",
                                    "nodeSelector", "fieldRef",      "resourceFieldRef"};

bool first_item_has(json::value const& list, std::string_view member) {
  auto const& items = list.get_array();
  return !items.empty() && items.front().is_object() && items.front().get_object().contains(member);
}

std::vector<Kind> make_kinds() {
  auto const kind = [](kube::ResourceType const& type) {
    Kind made;
    made.type = type;
    return made;
  };
  std::vector<Kind> all;
  auto services = kind(kube::kInferenceServices);
  services.has_status = services.has_scale = services.owned_fields = true;
  services.unguarded_update = false;
  all.push_back(services);
  auto deployments = kind(kube::kDeployments);
  deployments.has_status = deployments.has_scale = deployments.owned_fields = true;
  all.push_back(deployments);
  auto sets = kind(kube::kReplicaSets);
  sets.has_status = true;
  all.push_back(sets);
  auto pods = kind(kube::kPods);
  pods.has_status = pods.graceful = true;
  all.push_back(pods);
  for (auto const& type :
       {kube::kServices, kube::kConfigMaps, kube::kPodDisruptionBudgets, kube::kNetworkPolicies}) {
    auto child = kind(type);
    child.owned_fields = true;
    all.push_back(child);
  }
  auto leases = kind(kube::kLeases);
  leases.unguarded_update = false;
  leases.create_on_update = true;
  all.push_back(leases);
  all.push_back(kind(kube::kEvents));
  return all;
}

}  // namespace

std::vector<Kind> const& kinds() {
  static auto const all = make_kinds();
  return all;
}

Kind const* find_kind(std::string_view group, std::string_view version, std::string_view plural) {
  auto const& all = kinds();
  auto const found = std::find_if(all.begin(), all.end(), [&](Kind const& kind) {
    return kind.type.group == group && kind.type.version == version && kind.type.plural == plural;
  });
  return found == all.end() ? nullptr : &*found;
}

Kind const& kind_of(kube::ResourceType const& type) {
  return *find_kind(type.group, type.version, type.plural);
}

Merge merge_of(std::string_view name, json::value const& value) {
  if (value.is_object()) {
    bool const atomic = std::find(kAtomicMaps.begin(), kAtomicMaps.end(), name) != kAtomicMaps.end();
    return {atomic ? Merge::How::Atomic : Merge::How::Granular};
  }
  if (!value.is_array()) return {};
  if (name == "finalizers") return {Merge::How::Set};
  if (name == "ownerReferences") return {Merge::How::ByKeys, {"uid"}};
  if (name == "containers" || name == "initContainers" || name == "volumes" || name == "env" ||
      name == "imagePullSecrets")
    return {Merge::How::ByKeys, {"name"}};
  if (name == "volumeMounts") return {Merge::How::ByKeys, {"mountPath"}};
  if (name == "conditions") return {Merge::How::ByKeys, {"type"}};
  if (name == "topologySpreadConstraints") return {Merge::How::ByKeys, {"topologyKey", "whenUnsatisfiable"}};
  if (name == "ports" && first_item_has(value, "containerPort"))
    return {Merge::How::ByKeys, {"containerPort", "protocol"}};
  if (name == "ports") return {Merge::How::ByKeys, {"port", "protocol"}};
  return {};
}

}  // namespace ei::sim
