#pragma once

#include "operator/backend/kube/protocol/store.hpp"
#include "operator/plan/observation.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ei::kube {

// What the caches keep of each kind, and how it is read. An API object is some 8 kB,
// what is kept a tenth of it.

/// Of a Pod: address, times, readiness, and what went wrong.
boost::json::value keep_pod(boost::json::value const& pod);
/// Of a Deployment: the replica count, why replicas cannot be made, which template it has and whether its
/// controller has given up waiting for pods of that.
boost::json::value keep_deployment(boost::json::value const& deployment);
/// Of an InferenceService: all but managedFields and kubectl's copy of the last applied object, as text (a
/// string value): a third of the memory of the tree. read_service() gives the object back.
boost::json::value keep_service(boost::json::value const& service);

boost::json::value read_service(CachedObject const& service);

/// From what keep_pod left. Pods that have ended (Succeeded, Failed) are no instances; see has_ended().
plan::DispatcherInstance dispatcher_instance(CachedObject const& pod);
plan::WorkerInstance worker_instance(CachedObject const& pod);
/// Of a pod that has a node since ten seconds and no container yet: its volumes or its network are missing,
/// of which a pod's status says nothing more, and the kubelet's events are not read. `needs`: a sentence on
/// what the spec asks to be there, with a blank behind it; may be empty.
std::optional<plan::Trouble> start_trouble(CachedObject const& pod, std::string const& needs, WallTime now);
/// A Failed pod stays until it is deleted (evicted, or its node was shut down): another has taken its place.
bool has_ended(CachedObject const& pod);

/// When the pod last turned ready; empty while it is not.
std::optional<WallTime> ready_since(CachedObject const& pod);

std::optional<int> wanted_replicas(CachedObject const& deployment);

/// The kTemplateAnnotation of a pod, or of a Deployment's template; empty without one.
std::string_view template_of(CachedObject const& object);

/// What the Deployment's controller says when pods of the template with this digest make no progress for
/// longer than its progress deadline; empty while it waits, and for another template.
std::optional<plan::Trouble> overdue_of(CachedObject const* deployment, std::string_view digest);

/// Why not all pods of a Deployment can run: nobody has room for them, or they may not be
/// created (a quota, an admission).
std::optional<plan::Trouble> shortage_of(CachedObject const* deployment,
                                         std::vector<CachedObject const*> const& pods);

}  // namespace ei::kube
