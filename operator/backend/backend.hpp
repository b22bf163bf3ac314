#pragma once

#include <boost/asio/awaitable.hpp>
#include <vector>

#include "operator/api/service.hpp"
#include "operator/plan/action.hpp"
#include "operator/plan/observation.hpp"
#include "runtime/core/result.hpp"

namespace ei::backend {
namespace asio = boost::asio;

/// Where services live and their processes run: a Kubernetes cluster or this machine. The only virtual
/// interface between the reconciler and the world.
///
/// Single-threaded: everything runs on one executor, and no call blocks it. Every call may be cancelled
/// (terminal) by the caller's deadline at any suspension point; what was done until then stays done, and the
/// next reconcile puts right what is missing. Background work (informers, leases, child processes) is the
/// adapter's own, started and stopped by main.
class Backend {
 public:
  virtual ~Backend() = default;

  /// The service as it is now: from a cache or a table, so cheap, but never older than what this
  /// operator's own apply wrote (else the next decision would be made, told and counted twice).
  /// Errors: NotFound (the service is gone: what is left of it may be removed with RemoveChildren),
  /// Unavailable (caches not filled yet).
  virtual asio::awaitable<Result<plan::Observation>> observe(api::ServiceKey key) = 0;

  /// Makes it so, in order, and stops at the first failure; only a second Ensure is tried even so. `seen` is
  /// what the actions were planned from: identity (uid, resource version), the spec in force, the status to
  /// compare with. An action whose state already holds writes nothing. For a service that is gone, `seen`
  /// carries only name and namespace. Errors: Canceled when this operator may not write any more (it lost the
  /// lease): drop the key, the next leader sees it; else as the far side says (Conflict, Forbidden, TooMany
  /// with retry_after, Unavailable, Timeout …). The arguments must live until it returns.
  virtual asio::awaitable<Result<void>> apply(plan::Observation const& seen,
                                              plan::Actions const& actions) = 0;

  /// Waits until at least one service, or anything that belongs to it, has changed since the last call, and
  /// names those services once each. The first call names every service. A key says only "look again", never
  /// what changed; keys of services that are gone are named too. One call at a time. Errors: Canceled when no
  /// more changes will come (shutdown, leadership lost).
  virtual asio::awaitable<Result<std::vector<api::ServiceKey>>> wait_change() = 0;
};

}  // namespace ei::backend
