#include "tests/sim/cluster/deployments.hpp"

#include "tests/sim/api/members.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace ei::sim {
namespace {

namespace json = boost::json;

bool is_leaving(json::object const& object) {
  return member_of(object, "metadata.deletionTimestamp") != nullptr;
}

std::string owner_of(json::object const& object) {
  auto const* owners = member_of(object, "metadata.ownerReferences");
  if (owners == nullptr || !owners->is_array() || owners->get_array().empty()) return {};
  return std::string(string_or(owners->get_array().front(), "uid"));
}

bool is_ready(json::object const& pod) {
  auto const* conditions = member_of(pod, "status.conditions");
  if (conditions == nullptr) return false;
  auto const& list = conditions->as_array();
  return std::any_of(list.begin(), list.end(), [](json::value const& each) {
    return string_or(each, "type") == "Ready" && string_or(each, "status") == "True";
  });
}

json::array owner_reference(kube::ResourceType const& type, std::string const& name, std::string const& uid) {
  return {json::object{{"apiVersion", kube::api_version(type)},
                       {"kind", type.kind},
                       {"name", name},
                       {"uid", uid},
                       {"controller", true},
                       {"blockOwnerDeletion", true}}};
}

/// Of the template: the operator's own digest names it.
std::string digest_of(json::object const& deployment) {
  auto const* annotations = member_of(deployment, "spec.template.metadata.annotations");
  if (annotations == nullptr || annotations->get_object().empty()) return "none";
  return std::string(annotations->get_object().begin()->value().as_string());
}

}  // namespace

void Deployments::step(WallTime now) {
  auto const all = api_.storage().all(kind_of(kube::kDeployments));
  for (auto const& [key, revision] : all) {
    if (!is_leaving(revision->object)) reconcile(key, revision->object, now);
  }
}

void Deployments::reconcile(kube::ObjectKey const& key, json::object const& deployment, WallTime now) {
  auto const uid = text_of(deployment, "metadata.uid");
  kube::ObjectKey const newest{key.namespace_name, key.name + "-" + digest_of(deployment)};
  std::vector<Set> sets;
  for (auto const& [name, set] : api_.storage().all(kind_of(kube::kReplicaSets))) {
    if (owner_of(set->object) != uid || is_leaving(set->object)) continue;
    sets.push_back({name, text_of(set->object, "metadata.uid"), name == newest, 0, 0});
  }
  for (auto const& [name, pod] : api_.storage().all(kind_of(kube::kPods))) {
    if (is_leaving(pod->object)) continue;
    auto const owner = owner_of(pod->object);
    for (auto& set : sets) {
      if (set.uid != owner) continue;
      ++set.pods;
      set.ready += is_ready(pod->object) ? 1 : 0;
    }
  }
  auto const found = std::find_if(sets.begin(), sets.end(), [](Set const& set) { return set.newest; });
  if (found == sets.end()) {
    make_set(key, deployment, newest, now);
    return;
  }
  auto const wanted = static_cast<int>(number_of(deployment, "spec.replicas", 1));
  int old_pods = 0;
  int ready = 0;
  for (auto const& set : sets) {
    old_pods += set.newest ? 0 : set.pods;
    ready += set.ready;
  }
  // maxUnavailable 0, maxSurge 25 % rounded up: one at a time here.
  int const surge = old_pods > 0 ? 1 : 0;
  scale(*found, deployment, std::min(wanted, std::max(found->pods, wanted + surge - old_pods)), now);
  for (auto const& set : sets) {
    if (set.newest || set.pods == 0) continue;
    int const spare = std::max(0, ready - wanted);
    scale(set, deployment, std::max(0, set.pods - std::max(spare, set.pods - set.ready)), now);
  }
  tell(key, deployment, sets, now);
}

void Deployments::make_set(kube::ObjectKey const& key, json::object const& deployment,
                           kube::ObjectKey const& name, WallTime now) {
  json::object metadata{{"name", name.name},
                        {"namespace", name.namespace_name},
                        {"labels", *member_of(deployment, "spec.template.metadata.labels")},
                        {"ownerReferences",
                         owner_reference(kube::kDeployments, key.name, text_of(deployment, "metadata.uid"))}};
  json::object set{{"apiVersion", kube::api_version(kube::kReplicaSets)},
                   {"kind", kube::kReplicaSets.kind},
                   {"metadata", std::move(metadata)},
                   {"spec", json::object{}}};
  api_.create(kube::kReplicaSets, std::move(set), now);
}

void Deployments::scale(Set const& set, json::object const& deployment, int wanted, WallTime now) {
  for (int i = set.pods; i < wanted; ++i) {
    auto metadata = member_of(deployment, "spec.template.metadata")->as_object();
    metadata["name"] = set.key.name + "-" + std::to_string(++pods_);
    metadata["namespace"] = set.key.namespace_name;
    metadata["ownerReferences"] = owner_reference(kube::kReplicaSets, set.key.name, set.uid);
    json::object pod{{"apiVersion", "v1"},
                     {"kind", "Pod"},
                     {"metadata", std::move(metadata)},
                     {"spec", json::object{}},
                     {"status", json::object{{"phase", "Pending"}}}};
    api_.create(kube::kPods, std::move(pod), now);
  }
  int surplus = set.pods - wanted;
  if (surplus <= 0) return;
  std::vector<std::pair<bool, kube::ObjectKey>> pods;  // those that are not ready go first
  for (auto const& [name, pod] : api_.storage().all(kind_of(kube::kPods))) {
    if (owner_of(pod->object) == set.uid && !is_leaving(pod->object))
      pods.emplace_back(is_ready(pod->object), name);
  }
  std::sort(pods.begin(), pods.end());
  for (auto const& [ready, name] : pods) {
    if (surplus-- <= 0) break;
    http::Request request;
    request.method = "DELETE";
    request.target = kube::object_path(kube::kPods, name);
    (void)api_.handle(request, now);
  }
}

void Deployments::tell(kube::ObjectKey const& key, json::object const& deployment,
                       std::vector<Set> const& sets, WallTime now) {
  int pods = 0;
  int ready = 0;
  int updated = 0;
  for (auto const& set : sets) {
    pods += set.pods;
    ready += set.ready;
    updated += set.newest ? set.pods : 0;
  }
  json::object const next{{"observedGeneration", number_of(deployment, "metadata.generation")},
                          {"replicas", pods},
                          {"readyReplicas", ready},
                          {"updatedReplicas", updated}};
  auto const* told = deployment.if_contains("status");
  if (told != nullptr && *told == json::value(next)) return;
  api_.edit(kube::kDeployments, key, now, [&](json::object& changed) { changed["status"] = next; });
}

}  // namespace ei::sim
