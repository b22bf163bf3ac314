#pragma once

#include <optional>
#include <string>
#include <vector>

#include "operator/api/parse.hpp"
#include "operator/api/service.hpp"

namespace ei::plan {

/// Something that keeps an instance from working, in words for a condition.
struct Trouble {
  std::string reason;    ///< CamelCase: `ImagePullBackOff`, `Crashed`
  std::string message;   ///< for people
  bool lasting = false;  ///< more than one try has ended in it

  bool operator==(Trouble const&) const = default;
};

/// One dispatcher as it runs: a pod, or a process of this machine.
struct DispatcherInstance {
  std::string name;
  /// Changes whenever its counters start from zero: a pod's UID and restart count, a
  /// process's number and start.
  std::string incarnation;
  std::string metrics_url;  ///< `http://10.1.2.3:9000/metrics`; empty while it has no address
  bool ready = false;
  std::optional<Trouble> trouble;
  bool outdated = false;  ///< not of the template that the spec in force asks for

  bool operator==(DispatcherInstance const&) const = default;
};

/// One worker as it runs. Times are the wall clock of their reporter (the API server or this machine).
struct WorkerInstance {
  std::string name;
  WallTime created{};
  bool ready = false;
  std::optional<WallTime> first_ready;  ///< empty until it has been ready once
  /// Set while it is not ready and could be: since its process started, or since it last stopped being ready.
  std::optional<WallTime> not_ready_since;
  bool terminating = false;  ///< asked to leave: no longer wanted, may still answer requests
  std::optional<Trouble> trouble;
  bool outdated = false;  ///< not of the template that the spec in force asks for

  bool operator==(WorkerInstance const&) const = default;
};

/// Why the backend cannot run as many workers as it was told: cores of this machine,
/// a quota, no node with room.
struct Shortage {
  std::optional<int> maximum;  ///< the most workers this service can have, where that is known (≥ 0)
  std::string reason;          ///< `NotEnoughCores`, `QuotaExceeded`, `Unschedulable`
  std::string message;

  bool operator==(Shortage const&) const = default;
};

/// Everything about one service that a reconcile may look at; read anew each time.
struct Observation {
  api::Metadata metadata;
  /// What is in force: the newest spec when it is valid, else the last valid one the
  /// backend knows, else nothing.
  std::optional<api::Spec> spec;
  std::vector<api::FieldError> errors;  ///< of the newest spec
  api::Status status;                   ///< as last written
  std::vector<DispatcherInstance> dispatchers;
  std::optional<Trouble> dispatcher_shortage;  ///< why not all of them can be made or placed
  /// Why the backend has given up waiting for dispatchers of the newest template.
  std::optional<Trouble> dispatchers_overdue;
  std::optional<int> worker_replicas;  ///< the count last asked for; empty when nothing was created yet
  std::vector<WorkerInstance> workers;
  std::vector<WorkerInstance> standbys;  ///< workers that wait for their core, or will
  std::optional<Trouble> no_standbys;    ///< why this backend can have none though the spec wants some
  std::optional<Shortage> shortage;
  std::optional<Trouble> workers_overdue;  ///< as dispatchers_overdue
  std::string contested;  ///< which child somebody else changes back again and again, and who; empty: none
  std::string selector;   ///< label selector of the workers' pods; empty on the local backend
  std::string endpoint;   ///< where requests go, for people: `http://127.0.0.1:8001`; empty while unknown

  bool operator==(Observation const&) const = default;
};

}  // namespace ei::plan
