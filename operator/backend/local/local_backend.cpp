#include "operator/backend/local/local_backend.hpp"

#include <algorithm>

#include "operator/backend/local/cores.hpp"
#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"

namespace ei::backend::local {
namespace {

/// Edits are noticed within two of these, far under a second; a poll costs a stat per file.
constexpr milliseconds kManifestPoll{100};
/// Between the dispatcher ports of one service and the next: room for the customary
/// 8001, 8002, … of the first.
constexpr std::uint16_t kPortStep = 10;

}  // namespace

LocalBackend::LocalBackend(asio::any_io_executor executor, Settings settings,
                           std::vector<std::filesystem::path> manifests, Processes::Forward forward)
    : executor_(executor),
      processes_(executor, std::move(forward)),
      surroundings_{executor, std::move(settings), processes_, usable_cores(),
                    [this] { return cores_taken(); }},
      watch_(std::move(manifests)),
      more_(executor),
      removed_(executor),
      tasks_(executor, log::failed_task) {
  for (auto const& change : watch_.poll()) take(change);
  tasks_.spawn("manifests", [this] { return follow_manifests(); });
}

LocalBackend::~LocalBackend() = default;

asio::awaitable<void> LocalBackend::follow_manifests() {
  while (true) {
    co_await sleep_for(kManifestPoll);
    for (auto const& change : watch_.poll()) take(change);
  }
}

void LocalBackend::take(FileWatch::Change const& change) {
  auto const file = change.file.string();
  auto const now = std::chrono::system_clock::now();
  Update update;
  if (change.exists) {
    auto const content = manifest::read_file(change.file);
    for (auto const& skipped : content ? content->skipped : std::vector<std::string>{}) {
      log::info("manifest_skipped", {{"file", file}, {"detail", skipped}});
    }
    update = manifests_.update(file, content, now);
  } else {
    update = manifests_.remove(file, now);
  }
  for (auto const& fault : update.faults) log::warn("manifest_invalid", {{"file", file}, {"error", fault}});
  for (auto const& key : update.changed) {
    log::info("manifest_changed", {{"file", file}, {"namespace", key.namespace_name}, {"name", key.name}});
    changed(key);
  }
}

void LocalBackend::changed(api::ServiceKey const& key) {
  changed_.insert(key);
  more_.notify();
}

asio::awaitable<Result<std::vector<api::ServiceKey>>> LocalBackend::wait_change() {
  (void)co_await until(more_, [this] { return !changed_.empty(); });
  std::vector<api::ServiceKey> keys(changed_.begin(), changed_.end());
  changed_.clear();
  co_return keys;
}

asio::awaitable<Result<plan::Observation>> LocalBackend::observe(api::ServiceKey key) {
  auto const* declared = manifests_.find(key);
  if (!declared) co_return make_error(ErrorKind::NotFound, to_string(key) + " is in no manifest");
  plan::Observation seen;
  seen.metadata = declared->metadata;
  seen.spec = declared->spec;
  seen.errors = declared->errors;
  seen.shortage = shortage_of(key);
  if (auto const found = services_.find(key); found != services_.end()) {
    seen.status = found->second.status;
    found->second.group->observe(seen);
  }
  co_return seen;
}

plan::Shortage LocalBackend::shortage_of(api::ServiceKey const& key) const {
  std::map<api::ServiceKey, int> wanted;
  int others = 0;
  for (auto const& each : manifests_.keys()) {
    auto const found = services_.find(each);
    auto const known = found == services_.end() ? std::nullopt : found->second.group->workers_wanted();
    // Who sleeps keeps no core from the others. When it wakes it has its right again.
    auto const* declared = manifests_.find(each);
    bool const may_sleep = declared && declared->spec && declared->spec->scaling.min_replicas == 0;
    if (each != key && known == 0 && may_sleep) continue;
    wanted[each] = known.value_or(0);
    if (each != key) others += wanted[each];
  }
  auto const cores = static_cast<int>(surroundings_.cores.size());
  std::string message = "one core for each worker, and this machine has " + std::to_string(cores);
  if (others > 0) message += ", of which other services use " + std::to_string(others);
  return {most_workers(cores, wanted, key), "NotEnoughCores", std::move(message)};
}

std::vector<int> LocalBackend::cores_taken() const {
  std::vector<int> cores;
  auto const add = [&](Group const& group) {
    auto const own = group.cores_taken();
    cores.insert(cores.end(), own.begin(), own.end());
  };
  for (auto const& [key, service] : services_) add(*service.group);
  for (auto const& group : leaving_) add(*group);
  return cores;
}

std::uint16_t LocalBackend::next_port() const {
  auto port = surroundings_.settings.dispatcher_port;
  if (port == 0) return 0;
  auto const taken = [&] {
    return std::any_of(services_.begin(), services_.end(),
                       [&](auto const& each) { return each.second.group->preferred_port() == port; });
  };
  while (taken()) port = static_cast<std::uint16_t>(port + kPortStep);
  return port;
}

Result<LocalBackend::Service*> LocalBackend::service_for(api::ServiceKey const& key) {
  auto const found = services_.find(key);
  if (found != services_.end()) return &found->second;
  auto group = std::make_shared<Group>(surroundings_, key, next_port(), [this, key] { changed(key); });
  auto const prepared = group->prepare();
  if (!prepared) return prepared.error();
  return &services_.emplace(key, Service{std::move(group), {}}).first->second;
}

asio::awaitable<Result<void>> LocalBackend::apply(plan::Observation const& seen,
                                                  plan::Actions const& actions) {
  for (auto const& action : actions) {
    auto const applied = apply_one(seen, action);
    if (!applied) co_return applied;
  }
  co_return Result<void>{};
}

Result<void> LocalBackend::apply_one(plan::Observation const& seen, plan::Action const& action) {
  auto const key = seen.metadata.key();
  if (std::holds_alternative<plan::RemoveChildren>(action)) {
    remove(key);
    return {};
  }
  auto const service = service_for(key);
  if (!service) return service.error();
  auto& group = *(*service)->group;
  if (auto const* dispatcher = std::get_if<plan::EnsureDispatcher>(&action)) {
    group.ensure_dispatchers(*seen.spec, dispatcher->replicas);
  } else if (auto const* workers = std::get_if<plan::EnsureWorkers>(&action)) {
    group.ensure_workers(*seen.spec, workers->replicas, workers->standby);
  } else if (auto const* scale = std::get_if<plan::ScaleWorkers>(&action)) {
    group.scale_workers(scale->replicas, scale->standby);
  } else if (auto const* replace = std::get_if<plan::ReplaceWorker>(&action)) {
    group.replace_worker(replace->name);
  } else if (auto const* write = std::get_if<plan::WriteStatus>(&action)) {
    (*service)->status = write->status;
  }
  return {};
}

void LocalBackend::remove(api::ServiceKey const& key) {
  auto const found = services_.find(key);
  if (found == services_.end()) return;
  auto group = std::move(found->second.group);
  services_.erase(found);
  leaving_.push_back(group);
  tasks_.spawn("remove " + to_string(key), [this, group]() -> asio::awaitable<void> {
    co_await group->stop();
    std::erase(leaving_, group);
    removed_.notify();
  });
}

asio::awaitable<void> LocalBackend::stop() {
  std::vector<api::ServiceKey> keys;
  for (auto const& [key, service] : services_) keys.push_back(key);
  for (auto const& key : keys) remove(key);
  (void)co_await until(removed_, [this] { return leaving_.empty(); });
  co_await tasks_.stop();
}

void LocalBackend::abort() {
  for (auto const& [key, service] : services_) service.group->abort();
  for (auto const& group : leaving_) group->abort();
}

}  // namespace ei::backend::local
