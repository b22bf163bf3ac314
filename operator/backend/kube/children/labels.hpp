#pragma once

#include <string>
#include <string_view>

#include "dispatcher/contract/ports.hpp"

namespace ei::kube {

// What children carry. The selector of a Deployment cannot be changed later, so neither can the first two.
inline constexpr std::string_view kServiceLabel = "elasticinference.dev/service";
inline constexpr std::string_view kComponentLabel = "app.kubernetes.io/component";
inline constexpr std::string_view kManagedByLabel = "app.kubernetes.io/managed-by";
inline constexpr std::string_view kManagedBy = "inference-operator";
/// Of a pod template, a digest of all the rest of it: by this a pod is known to be of the newest one.
inline constexpr std::string_view kTemplateAnnotation = "elasticinference.dev/template";
inline constexpr std::string_view kDispatcherComponent = "dispatcher";
inline constexpr std::string_view kWorkerComponent = "worker";

// Ports of the two programs.
inline constexpr int kDispatcherPort = dispatcher::kHttpPort;
inline constexpr int kDispatcherLinkPort = dispatcher::kLinkPort;
inline constexpr int kDispatcherGrpcPort = dispatcher::kGrpcPort;
inline constexpr int kDispatcherMetricsPort = dispatcher::kMetricsPort;
inline constexpr int kWorkerMetricsPort = dispatcher::kWorkerMetricsPort;

// Names of the children of service NAME.
inline std::string dispatcher_name(std::string const& service) {
  return service + "-dispatcher";
}
inline std::string worker_name(std::string const& service) {
  return service + "-worker";
}
inline std::string link_name(std::string const& service) {
  return service + "-link";
}
inline std::string keys_name(std::string const& service) {
  return service + "-link-keys";
}
/// The Secret that releases before signed tokens made; this one neither makes nor reads it.
inline std::string former_token_name(std::string const& service) {
  return service + "-link-token";
}

/// The audience of the tokens that a service's workers show to its dispatchers. With the UID, so that what a
/// service of the same name left behind is not let in by its successor.
inline std::string link_audience(std::string const& namespace_name, std::string const& service,
                                 std::string const& uid) {
  return "elasticinference.dev/link/" + namespace_name + "/" + service + "/" + uid;
}

/// The label selector of a service's workers, as the scale subresource reports it.
inline std::string worker_selector(std::string const& service) {
  return std::string(kComponentLabel) + "=worker," + std::string(kServiceLabel) + "=" + service;
}

}  // namespace ei::kube
