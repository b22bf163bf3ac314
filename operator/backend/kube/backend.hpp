#pragma once

#include "operator/backend/backend.hpp"
#include "operator/backend/kube/caches.hpp"
#include "operator/backend/kube/children/children.hpp"
#include "operator/backend/kube/claims.hpp"
#include "operator/backend/kube/client/client.hpp"
#include "operator/backend/kube/ensure.hpp"
#include "operator/backend/kube/recorder.hpp"
#include "runtime/async/event.hpp"
#include "runtime/async/task_group.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace ei::kube {

struct BackendOptions {
  std::vector<std::string> namespaces;  ///< empty: all
  ChildOptions children;
  bool service_monitors = true;  ///< make them where the Prometheus operator's API is served
  std::string field_manager = "elastic-inference-operator";  ///< the same as the client's
  std::string instance;                                      ///< of this operator, for Events: the pod's name
  std::uint64_t seed = 1;
};

/// Services as objects of a Kubernetes cluster. See backend::Backend for the contract.
class KubeBackend final : public backend::Backend {
 public:
  /// `client` must outlive the backend.
  KubeBackend(boost::asio::any_io_executor executor, Client& client, BackendOptions options);

  /// Fills the caches and keeps them fresh from here on, whether this process leads or not.
  void start();
  /// Makes wait_change() return Canceled: shutdown, or leadership lost.
  void cancel_wait();
  /// Ends the background work. Events that are not written yet get `grace`.
  boost::asio::awaitable<void> stop(milliseconds grace);

  /// True once every cache was filled and the cluster's keys were asked for.
  bool synced() const { return caches_.synced() && keys_asked_; }
  /// Whether what happens to the services is seen and can be acted on.
  bool ready() const { return synced() && caches_.served(); }

  boost::asio::awaitable<Result<plan::Observation>> observe(api::ServiceKey key) override;
  boost::asio::awaitable<Result<void>> apply(plan::Observation const& seen,
                                             plan::Actions const& actions) override;
  boost::asio::awaitable<Result<std::vector<api::ServiceKey>>> wait_change() override;

 private:
  void read_spec(boost::json::value const& service, api::ServiceKey const& key, plan::Observation& seen);
  /// The spec of an object when it is valid and, as far as is known without asking, allowed.
  std::optional<api::Spec> allowed_spec(CachedObject const& object) const;
  /// What labels of claims say of a spec that is allowed otherwise; Unavailable when nobody could be asked.
  boost::asio::awaitable<Result<void>> check_claims(plan::Observation& seen);
  void keep_valid_spec(CachedObject const& before, CachedObject const& after);
  CachedObject const* own_deployment(plan::Observation const& seen, std::string name) const;
  bool is_own_deployment_of(plan::Observation const& seen, std::string_view component,
                            std::string const& uid) const;
  std::vector<CachedObject const*> own_pods(plan::Observation const& seen, std::string_view component) const;
  void read_dispatchers(plan::Observation& seen);
  void read_workers(plan::Observation& seen);
  /// The digests of the templates that the spec in force asks for; nothing where there is none.
  struct Templates {
    // What they were rendered from. The spec itself would be a kilobyte for each service.
    std::string uid;
    std::int64_t generation = 0;
    bool of_last_valid = false;  ///< of the spec in force before a faulty edit
    std::string dispatcher;
    std::string worker;
  };
  Templates const* templates_of(plan::Observation const& seen);

  boost::asio::awaitable<Result<void>> perform(plan::Observation const& seen, plan::Action const& action);
  /// dispatcher_children or worker_children.
  using Children = std::vector<Child> (*)(api::Metadata const&, api::Spec const&, int, ChildOptions const&);
  boost::asio::awaitable<Result<bool>> ensure_children(plan::Observation const& seen, std::string group,
                                                       int replicas, Children render);
  boost::asio::awaitable<Result<void>> ensure_keys(plan::Observation const& seen);
  boost::asio::awaitable<Result<void>> ensure_dispatcher(plan::Observation const& seen, int replicas);
  boost::asio::awaitable<Result<void>> ensure_workers(plan::Observation const& seen, int replicas);
  boost::asio::awaitable<Result<void>> scale_workers(plan::Observation const& seen, int replicas);
  boost::asio::awaitable<Result<void>> ensure_monitor(plan::Observation const& seen);
  boost::asio::awaitable<Result<void>> replace_worker(plan::Observation const& seen, std::string name);
  boost::asio::awaitable<api::Explanation> explanation_written(plan::Observation const& seen,
                                                               std::string const& decision_id);
  boost::asio::awaitable<Result<void>> write_status(plan::Observation const& seen,
                                                    plan::WriteStatus const& write);
  void record(plan::Observation const& seen, plan::RecordEvent const& event);
  boost::asio::awaitable<void> look_for_monitors();
  boost::asio::awaitable<Result<std::string>> fetch_keys();
  boost::asio::awaitable<void> follow_keys();
  boost::asio::awaitable<void> give_back_memory();
  boost::asio::awaitable<void> look_at_claims_again();

  Client& client_;
  BackendOptions options_;
  std::set<api::ServiceKey> changed_;
  Event wake_;  ///< changed_ has grown, or the end has come
  bool ended_ = false;
  bool monitors_served_ = false;
  bool keys_asked_ = false;
  std::string link_keys_;            ///< the document that was read last; empty: none yet
  std::optional<Error> keys_error_;  ///< why it could not be read when it was tried last
  std::map<api::ServiceKey, SteadyTime> monitor_failed_;  ///< when the last try to apply one failed
  /// The spec in force of services whose newest one is invalid.
  std::map<api::ServiceKey, api::Spec> valid_specs_;
  std::map<api::ServiceKey, Templates> templates_;
  Claims claims_;
  std::set<api::ServiceKey>
      refused_claims_;  ///< services to look at again: no watch tells of a claim's labels
  Caches caches_;
  Ensurer ensurer_;
  Recorder recorder_;
  /// The counts this process asked for. A Deployment scaled by hand is drift, not a new count to start from.
  std::map<api::ServiceKey, int> asked_replicas_;
  /// Services that the server no longer has, and until when that is believed against the cache.
  struct Gone {
    std::string uid;
    SteadyTime until;
  };
  std::map<api::ServiceKey, Gone> gone_;
  TaskGroup tasks_;
};

}  // namespace ei::kube
