#include "operator/backend/kube/children/labels.hpp"
#include "tests/sim/api/members.hpp"
#include "tests/sim/run/names.hpp"
#include "tests/sim/run/run.hpp"

#include <boost/json/array.hpp>

#include <utility>
#include <vector>

// Objects of other people, with the names or labels of a service's children.
namespace ei::sim {
namespace {

namespace json = boost::json;

/// The names that a service's children have.
std::vector<std::pair<kube::ResourceType, std::string>> names_of(std::string const& service) {
  return {{kube::kDeployments, kube::worker_name(service)},
          {kube::kDeployments, kube::dispatcher_name(service)},
          {kube::kServices, service},
          {kube::kServices, kube::link_name(service)},
          {kube::kConfigMaps, kube::keys_name(service)},
          {kube::kPodDisruptionBudgets, kube::worker_name(service)},
          {kube::kPodDisruptionBudgets, kube::dispatcher_name(service)},
          {kube::kNetworkPolicies, kube::worker_name(service)},
          {kube::kNetworkPolicies, kube::dispatcher_name(service)},
          {kube::kPods, kube::worker_name(service)}};
}

json::object spec_of(kube::ResourceType const& type) {
  if (type != kube::kDeployments) return {};
  json::object labels{{"app", "foreign"}};
  json::object metadata{{"labels", labels}};
  return {{"replicas", 1},
          {"selector", json::object{{"matchLabels", labels}}},
          {"template", json::object{{"metadata", std::move(metadata)}, {"spec", json::object{}}}}};
}

}  // namespace

void Run::put_foreign(std::size_t service, std::uint64_t number) {
  auto const owner = service_name(service);
  auto const all = names_of(owner);
  auto const& [type, child] = all[number % all.size()];
  number /= all.size();
  bool const takes_name = number % 2 == 0;
  bool const takes_labels = number / 2 % 2 == 0;
  kube::ObjectKey const key{kNamespace, takes_name ? child : child + "-of-somebody"};
  // An edit that has the operator write just then, from what it knows of the child before.
  if (number / 4 % 3 == 0) edit_service(service, Edit::Valid);
  // Who takes the name of a child has removed it first.
  if (takes_name) send("DELETE", kube::object_path(type, key), {});
  json::object metadata{{"name", key.name}, {"namespace", kNamespace}};
  if (takes_labels)
    metadata["labels"] = json::object{{kube::kManagedByLabel, kube::kManagedBy},
                                      {kube::kServiceLabel, owner},
                                      {kube::kComponentLabel, kube::kWorkerComponent}};
  json::object body{{"apiVersion", kube::api_version(type)},
                    {"kind", type.kind},
                    {"metadata", std::move(metadata)},
                    {"spec", spec_of(type)}};
  send("POST", kube::collection_path(type, kNamespace), body);
}

void Run::clear_foreign(std::size_t service) {
  for (auto const& [type, child] : names_of(service_name(service))) {
    kube::ObjectKey const key{kNamespace, child};
    auto const found = api_.storage().find(kind_of(type), key);
    if (found != nullptr && !is_ours(found->object)) send("DELETE", kube::object_path(type, key), {});
  }
}

}  // namespace ei::sim
