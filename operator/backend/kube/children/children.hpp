#pragma once

#include "operator/api/allowed.hpp"
#include "operator/api/service.hpp"
#include "operator/backend/kube/protocol/resource.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <vector>

namespace ei::kube {

/// What the operator's own flags say about every child.
struct ChildOptions {
  std::string dispatcher_image;
  std::string worker_image;  ///< where a service names none
  api::Allowed allowed;      ///< where workers may download from
  std::vector<std::string> image_pull_secrets;
  std::string priority_class;
  bool network_policy = true;
  /// Dispatchers reach `collectors` alone, with DNS; workers their dispatchers, DNS and `model_networks`.
  bool egress_policy = false;
  std::vector<std::string> model_networks;  ///< CIDRs that weights and labels are fetched from
  std::vector<std::string> collectors;      ///< CIDRs, or names of namespaces

  bool operator==(ChildOptions const&) const = default;
};

/// One object that shall exist, with exactly the fields that are ours: the body of a server-side apply.
struct Child {
  ResourceType type;
  boost::json::object object;

  std::string name() const;
};

/// Deployment, Services, PodDisruptionBudget and NetworkPolicies around a service's dispatchers.
/// The keys that they trust are not among them: see link_keys().
std::vector<Child> dispatcher_children(api::Metadata const& owner, api::Spec const& spec, int replicas,
                                       ChildOptions const& options);

/// The workers' Deployment and PodDisruptionBudget.
std::vector<Child> worker_children(api::Metadata const& owner, api::Spec const& spec, int replicas,
                                   ChildOptions const& options);

/// For clusters with the Prometheus operator: scrapes the dispatchers. The label `service` of their series is
/// the InferenceService's name, and not the name of the Service that the scrape finds them by.
Child service_monitor(api::Metadata const& owner);

/// The ConfigMap with the cluster's public keys (the text of a LinkKeys), by which dispatchers know the
/// tokens of their workers.
Child link_keys(api::Metadata const& owner, std::string const& document);

}  // namespace ei::kube
