#include "operator/backend/kube/caches.hpp"

#include "operator/backend/kube/children/instances.hpp"
#include "operator/backend/kube/children/labels.hpp"
#include "runtime/async/clock.hpp"

#include <algorithm>
#include <utility>

namespace ei::kube {
namespace {

/// Whether a reconcile could come to another result. The operator's own status writes are not news.
bool service_changed(CachedObject const& before, CachedObject const& after) {
  return before.uid != after.uid || before.generation != after.generation ||
         before.deleting != after.deleting;
}

bool child_changed(CachedObject const& before, CachedObject const& after) {
  return before.uid != after.uid || before.owned_digest != after.owned_digest ||
         before.deleting != after.deleting || before.owner_uid != after.owner_uid ||
         before.content != after.content || before.labels != after.labels;
}

bool is_of_monitors(std::unique_ptr<Informer> const& informer) {
  return informer->options().type == kServiceMonitors;
}

}  // namespace

Caches::Caches(Client& client, Options options, OnChange on_change, OnEdit on_edit)
    : client_(client),
      options_(std::move(options)),
      on_change_(std::move(on_change)),
      on_edit_(std::move(on_edit)) {
  if (options_.namespaces.empty()) options_.namespaces.emplace_back();
  for (auto const& name : options_.namespaces) {
    add(kInferenceServices, name, keep_service);
    add(kDeployments, name, keep_deployment);
    add(kPods, name, keep_pod);
    // Whose a pod is goes through them; nothing else of them is of use here.
    add(kReplicaSets, name, nullptr);
    add(kServices, name, nullptr);
    add(kPodDisruptionBudgets, name, nullptr);
    if (options_.network_policies) add(kNetworkPolicies, name, nullptr);
    add(kConfigMaps, name, nullptr);
  }
}

void Caches::add(ResourceType const& type, std::string const& namespace_name, Keep keep) {
  InformerOptions informer;
  informer.type = type;
  informer.namespace_name = namespace_name;
  informer.keep = keep;
  informer.watcher.seed = options_.seed + informers_.size();
  Informer::OnChange on_change;
  if (type == kInferenceServices) {
    on_change = [this](auto const& key, auto const* before, auto const* after) {
      on_service(key, before, after);
    };
  } else {
    bool const pods = type == kPods;
    informer.label_selector = std::string(kManagedByLabel) + "=" + std::string(kManagedBy);
    informer.index_label = kServiceLabel;
    informer.keep_labels = {kServiceLabel, kComponentLabel};
    if (!pods) informer.field_manager = options_.field_manager;
    on_change = [this, pods](auto const&, auto const* before, auto const* after) {
      if (pods) remember_ready(before, after);
      if (pods) remember_hanging(before, after);
      on_child(before, after);
    };
  }
  informers_.push_back(std::make_unique<Informer>(client_, std::move(informer), std::move(on_change)));
}

void Caches::start(TaskGroup& tasks) {
  start(tasks, 0);
}

void Caches::start(TaskGroup& tasks, std::size_t first) {
  for (auto i = first; i < informers_.size(); ++i) {
    auto* informer = informers_[i].get();
    auto name = "watch " + std::string(informer->options().type.plural);
    tasks.spawn(std::move(name), [informer] { return informer->run(); });
  }
}

void Caches::start_monitors(TaskGroup& tasks) {
  if (std::any_of(informers_.begin(), informers_.end(), is_of_monitors)) return;
  auto const first = informers_.size();
  for (auto const& name : options_.namespaces) add(kServiceMonitors, name, nullptr);
  start(tasks, first);
}

bool Caches::synced() const {
  return std::all_of(informers_.begin(), informers_.end(),
                     [](auto const& each) { return each->synced() || is_of_monitors(each); });
}

bool Caches::served() const {
  return std::all_of(informers_.begin(), informers_.end(),
                     [](auto const& each) { return each->served() || is_of_monitors(each); });
}

bool Caches::monitors_synced() const {
  auto const those = std::find_if(informers_.begin(), informers_.end(), is_of_monitors);  // the last ones
  return those != informers_.end() &&
         std::all_of(those, informers_.end(), [](auto const& each) { return each->synced(); });
}

void Caches::on_service(ObjectKey const& key, CachedObject const* before, CachedObject const* after) {
  if (before != nullptr && after != nullptr) {
    if (!service_changed(*before, *after)) return;
    on_edit_(*before, *after);
  }
  on_change_({key.namespace_name, key.name});
}

void Caches::on_child(CachedObject const* before, CachedObject const* after) {
  if (before != nullptr && after != nullptr && !child_changed(*before, *after)) return;
  // A label that was edited away still tells whose child it was.
  for (auto const* object : {before, after}) {
    if (object == nullptr) continue;
    if (auto const* service = find_label(object->labels, kServiceLabel)) {
      on_change_({object->key.namespace_name, *service});
    }
  }
}

void Caches::remember_ready(CachedObject const* before, CachedObject const* after) {
  if (after == nullptr) {
    if (before != nullptr) first_ready_.erase(before->uid);
    return;
  }
  if (auto const since = ready_since(*after)) first_ready_.try_emplace(after->uid, *since);
}

std::optional<WallTime> Caches::first_ready(std::string const& pod_uid) const {
  auto const found = first_ready_.find(pod_uid);
  return found == first_ready_.end() ? std::nullopt : std::optional(found->second);
}

void Caches::remember_hanging(CachedObject const* before, CachedObject const* after) {
  auto const since = after == nullptr ? std::nullopt : worker_instance(*after).not_ready_since;
  if (!since) {
    if (before != nullptr) hanging_.erase(before->uid);
    return;
  }
  auto& known = hanging_[after->uid];
  if (known.since != *since) known = {*since, wall_now()};
}

WallTime Caches::hanging_since(std::string const& pod_uid, WallTime since) const {
  auto const found = hanging_.find(pod_uid);
  return found == hanging_.end() ? since : std::max(since, found->second.seen);
}

Informer* Caches::informer(std::string_view plural, std::string const& namespace_name) const {
  for (auto const& each : informers_) {
    auto const& options = each->options();
    bool const covers = options.namespace_name.empty() || options.namespace_name == namespace_name;
    if (options.type.plural == plural && covers) return each.get();
  }
  return nullptr;
}

CachedObject const* Caches::find(std::string_view plural, ObjectKey const& key) const {
  auto const* found = informer(plural, key.namespace_name);
  return found == nullptr ? nullptr : found->store().find(key);
}

std::vector<CachedObject const*> Caches::of_service(ResourceType const& type, api::ServiceKey const& service,
                                                    std::string_view component) const {
  auto const* found = informer(type.plural, service.namespace_name);
  if (found == nullptr) return {};
  auto objects = found->store().by_index(service.namespace_name, service.name);
  std::erase_if(objects, [&](CachedObject const* object) {
    auto const* label = find_label(object->labels, kComponentLabel);
    return label == nullptr || *label != component;
  });
  return objects;
}

void Caches::learn(ResourceType const& type, boost::json::value const& object) {
  auto const identity = read_identity(object);
  if (!identity) return;
  auto* found = informer(type.plural, identity->key.namespace_name);
  if (found != nullptr) found->learn(object);
}

}  // namespace ei::kube
