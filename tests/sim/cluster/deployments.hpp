#pragma once

#include "runtime/core/units.hpp"
#include "tests/sim/api/server.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace ei::sim {

/// Kubernetes' controllers of Deployments and ReplicaSets, as far as the operator sees them: a ReplicaSet for
/// each pod template, pods up to the count, a new one ready before an old one goes, the Deployment's status.
class Deployments {
 public:
  explicit Deployments(ApiServer& api) : api_(api) {}

  /// One look at everything.
  void step(WallTime now);

 private:
  struct Set {
    kube::ObjectKey key;
    std::string uid;
    bool newest = false;
    int pods = 0;   ///< that are not on their way out
    int ready = 0;  ///< of them
  };
  void reconcile(kube::ObjectKey const& key, boost::json::object const& deployment, WallTime now);
  void make_set(kube::ObjectKey const& key, boost::json::object const& deployment,
                kube::ObjectKey const& name, WallTime now);
  void scale(Set const& set, boost::json::object const& deployment, int wanted, WallTime now);
  void tell(kube::ObjectKey const& key, boost::json::object const& deployment, std::vector<Set> const& sets,
            WallTime now);

  ApiServer& api_;
  std::uint64_t pods_ = 0;
};

}  // namespace ei::sim
