#include "operator/backend/local/group.hpp"

namespace ei::backend::local {
namespace {

plan::DispatcherInstance observed_dispatcher(Slot const& slot, std::string const& service) {
  plan::DispatcherInstance instance;
  instance.name = slot.current ? slot.current->name : service + "-dispatcher";
  instance.trouble = slot.trouble;
  if (!slot.current || !slot.current->ports) return instance;
  // A name is never used twice, so it tells one process from the next.
  instance.incarnation = slot.current->name;
  auto metrics = origin(slot.current->address, slot.current->ports->metrics);
  metrics.target = "/metrics";
  instance.metrics_url = metrics.to_string();
  instance.ready = slot.current->ready && !slot.current->leaving;
  return instance;
}

plan::WorkerInstance observed_worker(Instance const& instance) {
  return {instance.name,
          instance.created,
          instance.ready,
          instance.first_ready,
          instance.not_ready_since,
          instance.leaving,
          {}};
}

}  // namespace

bool Group::linked() const {
  return !dispatchers_.empty() && std::all_of(dispatchers_.begin(), dispatchers_.end(),
                                              [](Slot const& slot) { return slot.listeners.has_value(); });
}

Command Group::dispatcher_template(api::Spec const& spec) const {
  return dispatcher_command(surroundings_.settings, spec, folder_ / "token", "");
}

Command Group::worker_template(api::Spec const& spec, std::string const& name) const {
  std::vector<std::uint16_t> links;
  for (auto const& slot : dispatchers_) links.push_back(slot.listeners->ports().link);
  return worker_command(surroundings_.settings, spec, name, links, folder_ / "token",
                        folder_ / (name + ".ports"));
}

/// The one that runs, and where it is not as wanted also the one that takes over from it, or will once it may
/// be started again.
void Group::observe_worker(Slot const& slot, std::optional<Command> const& wanted, int& waiting,
                           plan::Observation& seen) const {
  auto const is_outdated = [&](Instance const& each) {
    return wanted && !same_template(each.command, *wanted);
  };
  auto const add = [&](std::shared_ptr<Instance> const& each) {
    plan::WorkerInstance worker;
    if (each) {
      worker = observed_worker(*each);
      worker.outdated = is_outdated(*each);
    } else {
      worker.name = key_.name + "-worker-waiting-" + std::to_string(++waiting);
      worker.created = std::chrono::system_clock::now();
    }
    worker.trouble = slot.trouble;
    seen.workers.push_back(std::move(worker));
  };
  add(slot.current);
  bool const replaced = slot.current && (slot.next || (slot.trouble && is_outdated(*slot.current)));
  if (replaced) add(slot.next);
}

void Group::observe(plan::Observation& seen) const {
  for (auto const& slot : dispatchers_) {
    auto instance = observed_dispatcher(slot, key_.name);
    instance.outdated =
        slot.current && seen.spec && !same_template(slot.current->command, dispatcher_template(*seen.spec));
    seen.dispatchers.push_back(std::move(instance));
  }
  if (!dispatchers_.empty() && dispatchers_.front().listeners) {
    auto const port = dispatchers_.front().listeners->ports().http;
    seen.endpoint = "http://" + origin(surroundings_.settings.address, port).authority();
  }
  seen.worker_replicas = workers_wanted_;
  std::optional<Command> wanted;
  if (seen.spec && linked()) wanted = worker_template(*seen.spec, "");
  int waiting = 0;
  for (auto const& slot : workers_) observe_worker(slot, wanted, waiting, seen);
  for (auto const& instance : leaving_) {
    bool const is_worker = instance->command.core.has_value();
    if (is_worker) seen.workers.push_back(observed_worker(*instance));
  }
}

}  // namespace ei::backend::local
