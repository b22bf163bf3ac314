#include "operator/backend/kube/backend.hpp"

#include "operator/api/parse.hpp"
#include "operator/backend/kube/children/instances.hpp"
#include "operator/backend/kube/children/labels.hpp"
#include "operator/backend/kube/children/link_keys.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/core/json.hpp"
#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include <malloc.h>

namespace ei::kube {
namespace {

namespace asio = boost::asio;

// The Prometheus operator may be installed after us, and what is in a monitor's way be
// removed; nobody waits for monitors.
constexpr std::chrono::minutes kMonitorCheck{5};

// A cluster that changes its signing key publishes the new one before it signs with it. From the next look
// until kubelets have the ConfigMap takes them another minute and a half at most; a link that stands is not
// touched. Two small answers a minute, whatever the number of services.
constexpr std::chrono::seconds kKeysRefresh{60};
// Until they were read once no service can be started.
constexpr std::chrono::seconds kKeysRetry{2};

// Until the caches are filled the caller asks again; readiness says the same.
constexpr milliseconds kSyncPoll{20};

// Listings and bursts of reconciles leave free pages between what is kept; glibc
// returns only those at the end.
constexpr std::chrono::seconds kTrimPeriod{30};

// Who labels a claim that a service waits for looks at the service next.
constexpr std::chrono::seconds kClaimPeriod{10};

// How long the answer that a service is gone is believed against a cache that has it still. A watch that is
// broken is open again by then. And where only the CRD is not served yet, by an API server that has just
// started, the service must not wait longer than that.
constexpr std::chrono::seconds kGoneFor{5};

ObjectKey object_key(api::ServiceKey const& key) {
  return {key.namespace_name, key.name};
}

}  // namespace

KubeBackend::KubeBackend(asio::any_io_executor executor, Client& client, BackendOptions options)
    : client_(client),
      options_(std::move(options)),
      wake_(executor),
      claims_(client, options_.children.allowed.claims),
      caches_(
          client,
          Caches::Options{options_.namespaces, options_.field_manager, options_.children.network_policy,
                          options_.seed},
          [this](api::ServiceKey const& key) {
            changed_.insert(key);
            wake_.notify();
          },
          [this](CachedObject const& before, CachedObject const& after) { keep_valid_spec(before, after); }),
      ensurer_(client, caches_, options_.field_manager),
      recorder_(executor, client, options_.instance),
      tasks_(executor, log::failed_task) {}

void KubeBackend::start() {
  caches_.start(tasks_);
  tasks_.spawn("memory", [this] { return give_back_memory(); });
  tasks_.spawn("events", [this] { return recorder_.run(); });
  tasks_.spawn("keys", [this] { return follow_keys(); });
  if (claims_.rule().kind == api::ClaimRule::Kind::Labelled)
    tasks_.spawn("claims", [this] { return look_at_claims_again(); });
  if (options_.service_monitors) tasks_.spawn("monitors", [this] { return look_for_monitors(); });
}

void KubeBackend::cancel_wait() {
  ended_ = true;
  wake_.notify();
}

asio::awaitable<void> KubeBackend::stop(milliseconds grace) {
  cancel_wait();
  co_await tasks_.stop();
  co_await recorder_.drain(grace);
}

asio::awaitable<void> KubeBackend::look_for_monitors() {
  while (true) {
    auto const served = co_await client_.serves(kServiceMonitors);
    if (served) monitors_served_ = *served;
    if (monitors_served_) caches_.start_monitors(tasks_);
    co_await sleep_for(kMonitorCheck);
  }
}

asio::awaitable<Result<std::string>> KubeBackend::fetch_keys() {
  auto const discovery = co_await client_.document("openid-configuration", kDiscoveryPath);
  if (!discovery) co_return with_context(discovery.error(), kDiscoveryPath);
  auto const keys = co_await client_.document("jwks", kKeysPath);
  if (!keys) co_return with_context(keys.error(), kKeysPath);
  co_return link_keys_document(*discovery, *keys);
}

asio::awaitable<void> KubeBackend::follow_keys() {
  while (true) {
    auto fetched = co_await fetch_keys();
    if (fetched) {
      if (*fetched != link_keys_) log::info("link_keys_changed", {{"bytes", fetched->size()}});
      link_keys_ = std::move(*fetched);
      keys_error_.reset();
    } else {
      if (!keys_error_ || keys_error_->message != fetched.error().message)
        log::warn("link_keys_unreadable", {{"error", fetched.error().message}});
      keys_error_ = fetched.error();
    }
    keys_asked_ = true;
    co_await sleep_for(link_keys_.empty() ? kKeysRetry : kKeysRefresh);
  }
}

asio::awaitable<void> KubeBackend::give_back_memory() {
  while (true) {
    co_await sleep_for(kTrimPeriod);
    ::malloc_trim(0);
  }
}

asio::awaitable<void> KubeBackend::look_at_claims_again() {
  while (true) {
    co_await sleep_for(kClaimPeriod);
    if (refused_claims_.empty()) continue;
    changed_.merge(refused_claims_);
    refused_claims_.clear();
    wake_.notify();
  }
}

asio::awaitable<Result<std::vector<api::ServiceKey>>> KubeBackend::wait_change() {
  // Before the caches are whole every service would look as if it had no children.
  while (!ended_ && !synced()) co_await sleep_for(kSyncPoll);
  (void)co_await until(wake_, [this] { return ended_ || !changed_.empty(); });
  if (ended_) co_return make_error(ErrorKind::Canceled, "this process does not lead any more");
  std::vector<api::ServiceKey> keys(changed_.begin(), changed_.end());
  changed_.clear();
  co_return keys;
}

// ---- apply ----

asio::awaitable<Result<void>> KubeBackend::apply(plan::Observation const& seen,
                                                 plan::Actions const& actions) {
  Result<void> outcome;
  for (auto const& action : actions) {
    bool const ensures = std::holds_alternative<plan::EnsureDispatcher>(action) ||
                         std::holds_alternative<plan::EnsureWorkers>(action);
    if (!outcome && !ensures) break;
    auto done = co_await perform(seen, action);
    // What keeps the dispatchers' children from being written need not keep the workers'.
    if (!done && outcome) outcome = std::move(done);
    if (!outcome && outcome.error().kind == ErrorKind::Canceled) break;
  }
  co_return outcome;
}

asio::awaitable<Result<void>> KubeBackend::perform(plan::Observation const& seen,
                                                   plan::Action const& action) {
  if (auto const* dispatcher = std::get_if<plan::EnsureDispatcher>(&action)) {
    co_return co_await ensure_dispatcher(seen, dispatcher->replicas);
  }
  if (auto const* workers = std::get_if<plan::EnsureWorkers>(&action)) {
    co_return co_await ensure_workers(seen, workers->replicas);
  }
  if (auto const* scale = std::get_if<plan::ScaleWorkers>(&action)) {
    co_return co_await scale_workers(seen, scale->replicas);
  }
  if (auto const* replace = std::get_if<plan::ReplaceWorker>(&action)) {
    co_return co_await replace_worker(seen, replace->name);
  }
  if (auto const* write = std::get_if<plan::WriteStatus>(&action))
    co_return co_await write_status(seen, *write);
  if (auto const* event = std::get_if<plan::RecordEvent>(&action)) {
    record(seen, *event);
  } else {
    // RemoveChildren: owner references have the garbage collector do it.
    ensurer_.forget(seen.metadata.key());
    valid_specs_.erase(seen.metadata.key());
    asked_replicas_.erase(seen.metadata.key());
    templates_.erase(seen.metadata.key());
    refused_claims_.erase(seen.metadata.key());
    monitor_failed_.erase(seen.metadata.key());
    gone_.erase(seen.metadata.key());
  }
  co_return Result<void>{};
}

asio::awaitable<Result<bool>> KubeBackend::ensure_children(plan::Observation const& seen, std::string group,
                                                           int replicas, Children render) {
  Ensurer::Stamp const stamp{seen.metadata.uid, seen.metadata.generation, replicas, 0};
  Ensurer::Render rendered = [this, &seen, &stamp, render] {
    return render(seen.metadata, *seen.spec, stamp.replicas, options_.children);
  };
  co_return co_await ensurer_.ensure(seen.metadata.key(), std::move(group), stamp, std::move(rendered));
}

asio::awaitable<Result<void>> KubeBackend::ensure_keys(plan::Observation const& seen) {
  if (link_keys_.empty()) {
    // Those that an operator before this one published stay in force.
    ObjectKey const key{seen.metadata.namespace_name, keys_name(seen.metadata.name)};
    auto const* live = caches_.find(kConfigMaps, key);
    if (live != nullptr && live->owner_uid == seen.metadata.uid) co_return Result<void>{};
    auto const why = keys_error_.value_or(make_error(ErrorKind::Unavailable, "not asked for yet"));
    co_return with_context(why, "the cluster's public keys for service account tokens");
  }
  Ensurer::Stamp const stamp{seen.metadata.uid, 0, 0, std::hash<std::string>{}(link_keys_)};
  Ensurer::Render rendered = [this, &seen] {
    return std::vector<Child>{link_keys(seen.metadata, link_keys_)};
  };
  auto const done = co_await ensurer_.ensure(seen.metadata.key(), "keys", stamp, std::move(rendered));
  co_return done ? Result<void>{} : done.error();
}

asio::awaitable<Result<void>> KubeBackend::ensure_dispatcher(plan::Observation const& seen, int replicas) {
  if (!seen.spec) co_return Result<void>{};
  if (auto keys = co_await ensure_keys(seen); !keys) co_return keys;
  auto done = co_await ensure_children(seen, "dispatcher", replicas, dispatcher_children);
  if (!done) co_return done.error();
  co_return co_await ensure_monitor(seen);
}

asio::awaitable<Result<void>> KubeBackend::ensure_workers(plan::Observation const& seen, int replicas) {
  if (!seen.spec) co_return Result<void>{};
  auto done = co_await ensure_children(seen, "workers", replicas, worker_children);
  if (!done) co_return done.error();
  if (!*done) co_return Result<void>{};  // the next decision knows of the workers that were found
  auto const key = seen.metadata.key();
  // While somebody else changes the Deployment back, a new count is written by itself.
  bool const contested = ensurer_.waits(key, kDeployments, worker_name(key.name));
  auto const asked = asked_replicas_.find(key);
  if (contested && (asked == asked_replicas_.end() || asked->second != replicas))
    co_return co_await scale_workers(seen, replicas);
  asked_replicas_[key] = replicas;
  co_return Result<void>{};
}

/// By the scale subresource: what refuses the template, or an admission webhook for Deployments that is
/// down, is not asked there. The next apply of the whole takes the field back.
asio::awaitable<Result<void>> KubeBackend::scale_workers(plan::Observation const& seen, int replicas) {
  ObjectKey const key{seen.metadata.namespace_name, worker_name(seen.metadata.name)};
  auto const* live = own_deployment(seen, key.name);
  if (live == nullptr || live->deleting) co_return Result<void>{};
  // Found since: `replicas` was decided without knowing of those workers.
  if (!seen.worker_replicas) co_return Result<void>{};
  if (wanted_replicas(*live) != replicas) {
    auto done = co_await client_.scale(kDeployments, key, live->uid, replicas);
    if (!done) co_return with_context(done.error(), "Deployment " + key.name);
  }
  asked_replicas_[seen.metadata.key()] = replicas;
  co_return Result<void>{};
}

asio::awaitable<Result<void>> KubeBackend::ensure_monitor(plan::Observation const& seen) {
  if (!monitors_served_ || !caches_.monitors_synced()) co_return Result<void>{};
  auto const key = seen.metadata.key();
  auto const now = steady_now();
  if (auto const failed = monitor_failed_.find(key);
      failed != monitor_failed_.end() && now < failed->second + kMonitorCheck)
    co_return Result<void>{};
  Ensurer::Stamp const stamp{seen.metadata.uid, 0, 0, 0};
  Ensurer::Render rendered = [&seen] { return std::vector<Child>{service_monitor(seen.metadata)}; };
  auto done = co_await ensurer_.ensure(key, "monitor", stamp, std::move(rendered));
  monitor_failed_.erase(key);
  if (done) co_return Result<void>{};
  if (done.error().kind == ErrorKind::Canceled) co_return done.error();
  // Serving goes on without being watched. That of a service that had the same name is gone in a moment.
  if (done.error().kind == ErrorKind::Conflict) co_return Result<void>{};
  monitor_failed_[key] = now;
  log::warn("service_monitor_not_applied",
            {{"namespace", key.namespace_name}, {"name", key.name}, {"error", done.error().message}});
  co_return Result<void>{};
}

asio::awaitable<Result<void>> KubeBackend::replace_worker(plan::Observation const& seen, std::string name) {
  ObjectKey const key{seen.metadata.namespace_name, std::move(name)};
  // By now another may have the name.
  auto const pods = own_pods(seen, kWorkerComponent);
  auto const found =
      std::find_if(pods.begin(), pods.end(), [&](auto const* each) { return each->key.name == key.name; });
  if (found == pods.end() || (*found)->deleting) co_return Result<void>{};
  auto const* pod = *found;
  DeleteQuery query;
  query.uid = pod->uid;
  auto done = co_await client_.remove(kPods, key, std::move(query));
  bool const gone =
      !done && (done.error().kind == ErrorKind::NotFound || done.error().kind == ErrorKind::Conflict);
  if (gone) co_return Result<void>{};
  co_return done;
}

// An apply takes away what it does not say, and no cache keeps sentences: what the API server has of the
// decision is read for a write that makes none. By a list of one, which needs no right that we do not have.
asio::awaitable<api::Explanation> KubeBackend::explanation_written(plan::Observation const& seen,
                                                                   std::string const& decision_id) {
  ListQuery query;
  query.field_selector = "metadata.name=" + seen.metadata.name;
  auto const list = co_await client_.list_page(kInferenceServices, seen.metadata.namespace_name, query);
  // Without an answer the status is written all the same: its counts and conditions matter more.
  auto const* items = list ? find_member(*list, "items") : nullptr;
  if (items == nullptr || !items->is_array()) co_return api::Explanation{};
  for (auto const& item : items->get_array()) {
    if (string_or(item, "metadata.uid") != seen.metadata.uid) continue;
    auto const* told = find_member(item, "status.lastDecision");
    if (told != nullptr && string_or(*told, "id") == decision_id) co_return api::explanation_from_json(*told);
  }
  co_return api::Explanation{};
}

asio::awaitable<Result<void>> KubeBackend::write_status(plan::Observation const& seen,
                                                        plan::WriteStatus const& write) {
  auto const& status = write.status;
  auto const key = object_key(seen.metadata.key());
  if (auto const* live = caches_.find(kInferenceServices, key)) {
    auto const object = read_service(*live);
    auto const* written = find_member(object, "status");
    if (written != nullptr && api::status_from_json(*written) == status) co_return Result<void>{};
  }
  // The uid makes a write for a service that was deleted and made anew fail.
  boost::json::object metadata{
      {"name", key.name}, {"namespace", key.namespace_name}, {"uid", seen.metadata.uid}};
  boost::json::object body{{"apiVersion", api::kApiVersion},
                           {"kind", api::kKind},
                           {"metadata", std::move(metadata)},
                           {"status", api::to_json(status)}};
  if (status.last_decision) {
    auto const& former = seen.status.last_decision;
    auto explanation = write.explanation.value_or(api::Explanation{});
    if (!write.explanation && former && former->id == status.last_decision->id)
      explanation = co_await explanation_written(seen, former->id);
    auto& told = body["status"].as_object()["lastDecision"].as_object();
    for (auto const& [name, sentence] : api::to_json(explanation)) told[name] = sentence;
  }
  auto applied = co_await client_.apply(kInferenceServices, key, std::move(body), "status");
  if (!applied && applied.error().kind == ErrorKind::NotFound)
    gone_[seen.metadata.key()] = {seen.metadata.uid, steady_now() + kGoneFor};
  if (!applied) co_return with_context(applied.error(), "status");
  caches_.learn(kInferenceServices, *applied);
  co_return Result<void>{};
}

void KubeBackend::record(plan::Observation const& seen, plan::RecordEvent const& event) {
  Occurrence occurrence;
  occurrence.subject = object_key(seen.metadata.key());
  occurrence.subject_uid = seen.metadata.uid;
  occurrence.type = event.type == plan::EventType::Normal ? "Normal" : "Warning";
  occurrence.reason = event.reason;
  occurrence.action = event.decision_id.empty() ? "Reconcile" : "Scale";
  occurrence.note = event.message;
  occurrence.decision_id = event.decision_id;
  if (event.explanation) occurrence.explanation = boost::json::serialize(api::to_json(*event.explanation));
  recorder_.record(occurrence);
}

}  // namespace ei::kube
