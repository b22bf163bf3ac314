#include "operator/backend/kube/backend.hpp"

#include "operator/api/parse.hpp"
#include "operator/backend/kube/children/instances.hpp"
#include "operator/backend/kube/children/labels.hpp"
#include "operator/backend/kube/children/pod_template.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/core/json.hpp"

#include <chrono>
#include <set>
#include <string>
#include <utility>

// KubeBackend's view of one service: its spec as far as it is allowed, and what runs of it.
namespace ei::kube {
namespace {

namespace asio = boost::asio;

Error not_synced() {
  return make_error(ErrorKind::Unavailable, "the caches are not filled yet");
}

ObjectKey object_key(api::ServiceKey const& key) {
  return {key.namespace_name, key.name};
}

/// What a pod needs that an author names and nobody here may look at.
std::string needs_of(plan::Observation const& seen) {
  if (!seen.spec || !seen.spec->dispatcher.tls.on()) return {};
  return "The Secret " + seen.spec->dispatcher.tls.secret_name +
         " (spec.dispatcher.tls.secretName) must be in " + seen.metadata.namespace_name +
         " with tls.crt, tls.key and ca.crt. ";
}

}  // namespace

asio::awaitable<Result<plan::Observation>> KubeBackend::observe(api::ServiceKey key) {
  if (!synced()) co_return not_synced();
  auto const* service = caches_.find(kInferenceServices, object_key(key));
  if (service == nullptr) co_return make_error(ErrorKind::NotFound, "no service " + api::to_string(key));
  if (auto const gone = gone_.find(key); gone != gone_.end()) {
    if (gone->second.uid == service->uid && steady_now() < gone->second.until)
      co_return make_error(ErrorKind::Unavailable,
                           "it is deleted on the API server, and the watch has not reported that yet");
    gone_.erase(gone);
  }
  plan::Observation seen;
  auto const object = read_service(*service);
  read_spec(object, key, seen);
  if (auto const checked = co_await check_claims(seen); !checked) co_return checked.error();
  if (auto const* status = find_member(object, "status")) seen.status = api::status_from_json(*status);
  read_dispatchers(seen);
  read_workers(seen);
  if (seen.spec && seen.spec->scaling.standby > 0) {
    seen.no_standbys =
        plan::Trouble{"NotOnClusters",
                      "spec.scaling.standby is for services on the operator's own machine: on a "
                      "cluster no standby is started yet, and each further worker takes a start"};
  }
  if (auto const* told = ensurer_.contested(key)) seen.contested = *told;
  seen.selector = worker_selector(key.name);
  bool const encrypted = seen.spec && seen.spec->dispatcher.tls.on();
  seen.endpoint = (encrypted ? "https://" : "http://") + key.name + "." + key.namespace_name + ".svc";
  co_return seen;
}

void KubeBackend::read_spec(boost::json::value const& service, api::ServiceKey const& key,
                            plan::Observation& seen) {
  auto parsed = api::parse_service(service, api::UnknownFields::Ignore);
  if (parsed.service) parsed.errors = api::refusals(parsed.service->spec, options_.children.allowed);
  if (parsed.errors.empty()) {
    seen.metadata = std::move(parsed.service->metadata);
    seen.spec = std::move(parsed.service->spec);
    return;
  }
  seen.metadata = api::metadata_from_json(service);
  seen.errors = std::move(parsed.errors);
  if (auto const last = valid_specs_.find(key); last != valid_specs_.end()) seen.spec = last->second;
}

asio::awaitable<Result<void>> KubeBackend::check_claims(plan::Observation& seen) {
  auto const key = seen.metadata.key();
  if (!seen.errors.empty() || claims_.rule().kind != api::ClaimRule::Kind::Labelled) co_return Result<void>{};
  for (auto const& [claim, field] : api::claims_of(*seen.spec)) {
    ObjectKey const object{key.namespace_name, claim};
    auto refusal = co_await claims_.refusal(field, object);
    if (!refusal) co_return refusal.error();
    if (*refusal) seen.errors.push_back(std::move(**refusal));
  }
  if (seen.errors.empty()) {
    valid_specs_.erase(key);
    co_return Result<void>{};
  }
  refused_claims_.insert(key);
  seen.spec.reset();
  if (auto const last = valid_specs_.find(key); last != valid_specs_.end()) seen.spec = last->second;
  co_return Result<void>{};
}

std::optional<api::Spec> KubeBackend::allowed_spec(CachedObject const& object) const {
  auto parsed = api::parse_service(read_service(object), api::UnknownFields::Ignore);
  bool const allowed = parsed.service &&
                       api::refusals(parsed.service->spec, options_.children.allowed).empty() &&
                       claims_.known_allowed(parsed.service->spec, object.key.namespace_name);
  return allowed ? std::optional(std::move(parsed.service->spec)) : std::nullopt;
}

void KubeBackend::keep_valid_spec(CachedObject const& before, CachedObject const& after) {
  api::ServiceKey const key{after.key.namespace_name, after.key.name};
  if (before.uid != after.uid || allowed_spec(after)) {
    valid_specs_.erase(key);
    return;
  }
  // Of several faulty edits in a row the first one had a valid spec before it.
  if (auto spec = allowed_spec(before)) valid_specs_.insert_or_assign(key, std::move(*spec));
}

CachedObject const* KubeBackend::own_deployment(plan::Observation const& seen, std::string name) const {
  auto const* found = caches_.find(kDeployments, {seen.metadata.namespace_name, std::move(name)});
  return found != nullptr && found->owner_uid == seen.metadata.uid ? found : nullptr;
}

bool KubeBackend::is_own_deployment_of(plan::Observation const& seen, std::string_view component,
                                       std::string const& uid) const {
  auto const& service = seen.metadata.name;
  auto const* deployment =
      own_deployment(seen, component == kWorkerComponent ? worker_name(service) : dispatcher_name(service));
  return deployment != nullptr && deployment->uid == uid;
}

std::vector<CachedObject const*> KubeBackend::own_pods(plan::Observation const& seen,
                                                       std::string_view component) const {
  auto pods = caches_.of_service(kPods, seen.metadata.key(), component);
  // Anybody who may make pods can give them our labels. The chain of owners proves that a pod is ours.
  std::set<std::string_view> owners;
  for (auto const* set : caches_.of_service(kReplicaSets, seen.metadata.key(), component)) {
    if (is_own_deployment_of(seen, component, set->owner_uid)) owners.insert(set->uid);
  }
  std::erase_if(pods, [&](auto const* pod) { return !owners.contains(pod->owner_uid); });
  return pods;
}

KubeBackend::Templates const* KubeBackend::templates_of(plan::Observation const& seen) {
  if (!seen.spec) return nullptr;
  auto& known = templates_[seen.metadata.key()];
  // Rendering takes 50 µs, and a service is looked at every second.
  bool const of_last_valid = !seen.errors.empty();
  if (known.worker.empty() || known.uid != seen.metadata.uid ||
      known.generation != seen.metadata.generation || known.of_last_valid != of_last_valid) {
    auto const dispatcher = dispatcher_pod_template(seen.metadata, *seen.spec, options_.children);
    auto const worker = worker_pod_template(seen.metadata, *seen.spec, options_.children);
    known = {seen.metadata.uid, seen.metadata.generation, of_last_valid, template_digest(dispatcher),
             template_digest(worker)};
  }
  return &known;
}

void KubeBackend::read_dispatchers(plan::Observation& seen) {
  auto const* templates = templates_of(seen);
  auto const key = seen.metadata.key();
  auto const pods = own_pods(seen, kDispatcherComponent);
  auto const now = wall_now();
  for (auto const* pod : pods) {
    if (pod->deleting || has_ended(*pod)) continue;
    auto dispatcher = dispatcher_instance(*pod);
    if (!dispatcher.trouble) dispatcher.trouble = start_trouble(*pod, needs_of(seen), now);
    dispatcher.outdated = templates != nullptr && template_of(*pod) != templates->dispatcher;
    seen.dispatchers.push_back(std::move(dispatcher));
  }
  auto const* deployment = own_deployment(seen, dispatcher_name(key.name));
  seen.dispatcher_shortage = shortage_of(deployment, pods);
  if (templates != nullptr) seen.dispatchers_overdue = overdue_of(deployment, templates->dispatcher);
}

void KubeBackend::read_workers(plan::Observation& seen) {
  auto const* templates = templates_of(seen);
  auto const key = seen.metadata.key();
  auto const pods = own_pods(seen, kWorkerComponent);
  auto const now = wall_now();
  for (auto const* pod : pods) {
    if (has_ended(*pod)) continue;
    auto worker = worker_instance(*pod);
    if (auto const first = caches_.first_ready(pod->uid)) worker.first_ready = first;
    if (worker.not_ready_since)
      worker.not_ready_since = caches_.hanging_since(pod->uid, *worker.not_ready_since);
    if (!worker.trouble) worker.trouble = start_trouble(*pod, needs_of(seen), now);
    worker.outdated = templates != nullptr && template_of(*pod) != templates->worker;
    seen.workers.push_back(std::move(worker));
  }
  auto const* deployment = own_deployment(seen, worker_name(key.name));
  if (deployment != nullptr) seen.worker_replicas = wanted_replicas(*deployment);
  // Workers that are about to be adopted stay as many as they are, until there is data.
  auto const* left = caches_.find(kDeployments, {key.namespace_name, worker_name(key.name)});
  if (left != nullptr && is_orphan(*left, key.name) && !left->deleting)
    seen.worker_replicas = wanted_replicas(*left);
  if (auto const asked = asked_replicas_.find(key); asked != asked_replicas_.end() && seen.worker_replicas) {
    seen.worker_replicas = asked->second;
  }
  if (templates != nullptr) seen.workers_overdue = overdue_of(deployment, templates->worker);
  // No maximum is told: room comes back by itself, and a waiting pod is what makes a cluster autoscaler act.
  if (auto trouble = shortage_of(deployment, pods))
    seen.shortage = plan::Shortage{std::nullopt, std::move(trouble->reason), std::move(trouble->message)};
}

}  // namespace ei::kube
