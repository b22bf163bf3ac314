#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "operator/backend/kube/backend.hpp"
#include "operator/backend/kube/client/access.hpp"
#include "operator/backend/kube/client/client.hpp"
#include "operator/backend/kube/leader.hpp"
#include "operator/backend/kube/lookout.hpp"
#include "operator/reconcile/reconciler.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/async/event.hpp"
#include "runtime/async/task_group.hpp"

namespace ei {
namespace asio = boost::asio;

struct KubernetesOptions {
  kube::Access access;
  kube::Dial dial;                      ///< how the API server is reached; empty: by HTTP
  std::vector<std::string> namespaces;  ///< empty: all
  kube::ChildOptions children;
  bool service_monitors = true;
  bool leader_elect = false;
  std::string lease_namespace;  ///< where operators that share the work look for each other
  std::string lease_name;
  std::string identity;  ///< of this process among them: the pod's name
  reconcile::Options reconcile;
};

/// The operator on a cluster: client, caches, election and reconciler, started and stopped in the right
/// order. A standby keeps its caches warm and takes over in seconds.
class KubernetesOperator {
 public:
  KubernetesOperator(asio::any_io_executor executor, KubernetesOptions options,
                     reconcile::OperatorMetrics& metrics, reconcile::Listener listener);

  /// Runs until stop(). Errors: Canceled when leadership was lost: the process shall end, for what it knows
  /// of its own decisions is no longer true.
  [[nodiscard]] asio::awaitable<Result<void>> run();
  void stop();

  /// Why it does not do its work; empty where it does, or where another of this release does it.
  [[nodiscard]] std::string unready() const;

 private:
  asio::awaitable<void> greet();
  asio::awaitable<void> lead();
  asio::awaitable<void> watch_leadership();
  asio::awaitable<void> wait_alone();
  asio::awaitable<void> watch_neighbours();
  kube::ClientOptions client_options();

  asio::any_io_executor executor_;
  KubernetesOptions options_;
  reconcile::OperatorMetrics& metrics_;
  /// Renewals must not wait behind a thousand other requests.
  kube::Client lease_client_;
  std::optional<kube::Leader> leader_;
  std::optional<kube::Lookout> lookout_;  ///< where all namespaces are watched
  kube::Client client_;
  kube::KubeBackend backend_;
  reconcile::Reconciler reconciler_;
  TaskGroup tasks_;
  TaskGroup election_;
  Event ended_;           ///< run() is to end
  bool leading_ = false;  ///< the reconciler was started
  bool stopping_ = false;
  std::string lost_;       ///< why the leadership was lost; empty: it was not
  std::string makes_way_;  ///< for which release, or why it cannot be known whether for one
};

}  // namespace ei
