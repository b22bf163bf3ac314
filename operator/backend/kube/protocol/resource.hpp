#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ei::kube {

/// One kind of object the API server keeps, by the words its URLs and bodies use.
struct ResourceType {
  std::string_view group;  ///< empty for the core group
  std::string_view version;
  std::string_view plural;
  std::string_view kind;

  bool operator==(ResourceType const&) const = default;
};

inline constexpr ResourceType kInferenceServices{"elasticinference.dev", "v1alpha1", "inferenceservices",
                                                 "InferenceService"};
inline constexpr ResourceType kDeployments{"apps", "v1", "deployments", "Deployment"};
/// Between a Deployment and its pods.
inline constexpr ResourceType kReplicaSets{"apps", "v1", "replicasets", "ReplicaSet"};
inline constexpr ResourceType kServices{"", "v1", "services", "Service"};
inline constexpr ResourceType kConfigMaps{"", "v1", "configmaps", "ConfigMap"};
inline constexpr ResourceType kPods{"", "v1", "pods", "Pod"};
inline constexpr ResourceType kPodDisruptionBudgets{"policy", "v1", "poddisruptionbudgets",
                                                    "PodDisruptionBudget"};
inline constexpr ResourceType kNetworkPolicies{"networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"};
inline constexpr ResourceType kServiceMonitors{"monitoring.coreos.com", "v1", "servicemonitors",
                                               "ServiceMonitor"};
inline constexpr ResourceType kLeases{"coordination.k8s.io", "v1", "leases", "Lease"};
inline constexpr ResourceType kEvents{"events.k8s.io", "v1", "events", "Event"};

/// Names one namespaced object of some type.
struct ObjectKey {
  std::string namespace_name;
  std::string name;

  auto operator<=>(ObjectKey const&) const = default;
};

/// "apps/v1", or "v1" for the core group.
std::string api_version(ResourceType const& type);

/// "/apis/apps/v1/namespaces/NS/deployments"; an empty namespace names all of them.
std::string collection_path(ResourceType const& type, std::string_view namespace_name);

/// The path of one object, or of its subresource ("status", "scale") when that is not empty.
std::string object_path(ResourceType const& type, ObjectKey const& key, std::string_view subresource = {});

/// "/apis/apps/v1": where the server lists the kinds it has in a group.
std::string discovery_path(ResourceType const& type);

/// "?a=1&b=x%2Cy", percent-encoded, in the order given; pairs with an empty value are left out.
std::string query_string(std::vector<std::pair<std::string_view, std::string>> const& parameters);

}  // namespace ei::kube
