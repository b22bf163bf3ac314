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

void Group::observe(plan::Observation& seen) const {
  for (auto const& slot : dispatchers_) seen.dispatchers.push_back(observed_dispatcher(slot, key_.name));
  if (!dispatchers_.empty() && dispatchers_.front().listeners) {
    auto const port = dispatchers_.front().listeners->ports().http;
    seen.endpoint = "http://" + origin(surroundings_.settings.address, port).authority();
  }
  seen.worker_replicas = workers_wanted_;
  int waiting = 0;
  for (auto const& slot : workers_) {
    plan::WorkerInstance worker;
    if (slot.current) {
      worker = observed_worker(*slot.current);
    } else {
      worker.name = key_.name + "-worker-waiting-" + std::to_string(++waiting);
      worker.created = std::chrono::system_clock::now();
    }
    worker.trouble = slot.trouble;
    seen.workers.push_back(std::move(worker));
  }
  for (auto const& instance : leaving_) {
    bool const is_worker = instance->command.core.has_value();
    if (is_worker) seen.workers.push_back(observed_worker(*instance));
  }
}

}  // namespace ei::backend::local
