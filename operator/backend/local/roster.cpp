#include "operator/backend/local/roster.hpp"

#include <algorithm>

namespace ei::backend::local {
namespace {

milliseconds grace_of(Instance const& instance) {
  return instance.drain_timeout + kKillAfter;
}

std::vector<InstancePtr> all_of(std::vector<Slot> const& slots) {
  std::vector<InstancePtr> instances;
  for (auto const& slot : slots) {
    for (auto const& each : {slot.current, slot.next}) {
      if (each) instances.push_back(each);
    }
  }
  return instances;
}

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

}  // namespace

std::filesystem::path service_folder(Settings const& settings, api::ServiceKey const& key) {
  return settings.run_dir / (key.namespace_name + "." + key.name);
}

Roster::Roster(Settings settings, api::ServiceKey key, int& numbers)
    : settings_(std::move(settings)),
      key_(std::move(key)),
      folder_(service_folder(settings_, key_)),
      numbers_(numbers) {}

void Roster::want_dispatchers(api::Spec const& spec, int count) {
  spec_ = spec;
  dispatchers_wanted_ = count;
}

void Roster::want_workers(api::Spec const& spec, int count, int standby) {
  spec_ = spec;
  workers_wanted_ = count;
  standbys_wanted_ = standby;
}

void Roster::want_workers(int count, int standby) {
  if (!workers_wanted_) return;
  workers_wanted_ = count;
  standbys_wanted_ = standby;
}

void Roster::replace_worker(std::string const& name, Moment now) {
  for (auto* const slots : {&workers_, &standbys_}) {
    for (auto& slot : *slots) {
      if (!slot.current || slot.current->name != name) continue;
      leave(slot.current, now, kUnreadyGrace);
      slot.retry_at = {};
      slot.failures = 0;
    }
  }
}

void Roster::stop() {
  stopping_ = true;
}

std::vector<Order> Roster::step(Moment now) {
  next_time_.reset();
  if (stopping_) {
    step_stop(now);
  } else if (spec_) {
    step_dispatchers(now);
    step_workers(now);
  }
  step_kills(now);
  return std::exchange(orders_, {});
}

void Roster::due(SteadyTime time) {
  next_time_ = std::min(next_time_.value_or(time), time);
}

bool Roster::may_start(Slot const& slot, Moment now) {
  if (slot.retry_at <= now.steady) return true;
  due(slot.retry_at);
  return false;
}

void Roster::step_dispatchers(Moment now) {
  auto const wanted = static_cast<std::size_t>(dispatchers_wanted_);
  while (dispatchers_.size() > wanted) {
    leave(dispatchers_.back().current, now);
    if (dispatchers_.back().sockets) orders_.emplace_back(CloseSockets{dispatchers_.size() - 1});
    dispatchers_.pop_back();
  }
  dispatchers_.resize(wanted);
  for (std::size_t place = 0; place < wanted; ++place) {
    auto& slot = dispatchers_[place];
    if (!slot.current) {
      if (may_start(slot, now)) start_dispatcher(place, now);
      continue;
    }
    // The new one starts when the old one has finished its queue and ended; meanwhile new connections wait.
    // Two at once would share the sockets: a scrape or a worker would reach either.
    if (!same_template(slot.current->command, dispatcher_template(*spec_, "")))
      ask_to_leave(slot.current, now, grace_of(*slot.current));
  }
}

void Roster::start_dispatcher(std::size_t place, Moment now) {
  auto const name = key_.name + "-dispatcher-" + std::to_string(++numbers_);
  auto instance = new_instance(Program::Dispatcher, name, now);
  instance->address = settings_.address;
  instance->command = dispatcher_template(*spec_, name);
  dispatchers_[place].current = instance;
  orders_.emplace_back(Start{std::move(instance), place});
}

void Roster::step_workers(Moment now) {
  if (!workers_wanted_) return;
  auto const wanted = static_cast<std::size_t>(*workers_wanted_);
  auto const victims = surplus(workers_, wanted);
  for (auto position = victims.rbegin(); position != victims.rend(); ++position) {
    demote(*position, now);
  }
  // A worker is told where the dispatchers are: they come first.
  if (!linked()) return workers_.resize(wanted);
  auto const command = worker_template(*spec_, "");
  promote(wanted, command, now);
  workers_.resize(wanted);
  bool rolling =
      std::any_of(workers_.begin(), workers_.end(), [](Slot const& slot) { return slot.next != nullptr; });
  for (auto& slot : workers_) step_worker(slot, command, rolling, now);
  step_standbys(command, now);
}

// current | is as wanted | ready | next     | then
//  none   |      -       |   -   |   -      | start one
//  there  |     yes      |   -   |   -      | a next one is not needed any more
//  there  |      no      |  no   |   -      | replace it at once: it serves nobody
//  there  |      no      |  yes  | none     | start the next one beside it, one slot at a time
//  there  |      no      |  yes  | outdated | replace the next one
void Roster::step_worker(Slot& slot, Command const& wanted, bool& rolling, Moment now) {
  if (!slot.current) {
    if (may_start(slot, now)) slot.current = start_worker(now);
    return;
  }
  if (same_template(slot.current->command, wanted)) {
    leave(slot.next, now, kUnreadyGrace);
    // What ended the next one is nothing to report once it is not needed any more.
    if (slot.current->ready) slot.trouble.reset();
    return;
  }
  if (!slot.current->ready) {
    leave(slot.current, now, kUnreadyGrace);
    leave(slot.next, now, kUnreadyGrace);
    if (may_start(slot, now)) slot.current = start_worker(now);
    return;
  }
  if (slot.next && !same_template(slot.next->command, wanted)) {
    leave(slot.next, now, kUnreadyGrace);
    slot.failures = 0, slot.retry_at = {};
    rolling = false;
  }
  if (slot.next || rolling) return;
  rolling = true;
  if (may_start(slot, now)) slot.next = start_worker(now);
}

InstancePtr Roster::start_worker(Moment now, bool standby) {
  auto const name = key_.name + "-worker-" + std::to_string(++numbers_);
  auto instance = new_instance(Program::Worker, name, now);
  instance->address = kLoopback;
  instance->command = worker_template(*spec_, name);
  if (spec_->scaling.standby > 0) instance->quota_file = quota_file(name);
  instance->standby = standby;
  orders_.emplace_back(Start{instance, {}});
  return instance;
}

InstancePtr Roster::new_instance(Program program, std::string name, Moment now) const {
  auto instance = std::make_shared<Instance>();
  instance->program = program;
  instance->ports_file = ports_file(name);
  instance->name = std::move(name);
  instance->drain_timeout = drain_timeout(settings_, *spec_);
  instance->created = now.wall;
  instance->not_ready_since = now.wall;
  instance->started = now.steady;
  return instance;
}

// Workers stay until no dispatcher has a queue to finish.
void Roster::step_stop(Moment now) {
  for (std::size_t place = 0; place < dispatchers_.size(); ++place) {
    auto& slot = dispatchers_[place];
    if (slot.sockets) orders_.emplace_back(CloseSockets{place});
    slot.sockets.reset();
    if (slot.current) ask_to_leave(slot.current, now, grace_of(*slot.current));
  }
  bool const serving = std::any_of(dispatchers_.begin(), dispatchers_.end(),
                                   [](Slot const& slot) { return slot.current != nullptr; }) ||
                       std::any_of(leaving_.begin(), leaving_.end(), [](InstancePtr const& each) {
                         return each->program == Program::Dispatcher;
                       });
  if (serving) return;
  for (auto const* slots : {&workers_, &standbys_}) {
    for (auto const& each : all_of(*slots)) ask_to_leave(each, now, grace_of(*each));
  }
}

void Roster::step_kills(Moment now) {
  for (auto const& each : running()) {
    if (!each->kill_at) continue;
    if (*each->kill_at > now.steady) {
      due(*each->kill_at);
      continue;
    }
    each->kill_at.reset();
    orders_.emplace_back(Kill{each});
  }
}

void Roster::leave(InstancePtr& instance, Moment now, std::optional<milliseconds> grace) {
  if (!instance) return;
  leaving_.push_back(instance);
  ask_to_leave(instance, now, grace.value_or(grace_of(*instance)));
  instance.reset();
}

// Once: to a process that is leaving already a second signal says that it shall drop its work.
void Roster::ask_to_leave(InstancePtr const& instance, Moment now, milliseconds grace) {
  if (instance->leaving) return;
  instance->leaving = true;
  instance->grace = grace;
  instance->kill_at = now.steady + grace;
  orders_.emplace_back(Leave{instance});
}

void Roster::opened(std::size_t place, Ports const& sockets) {
  dispatchers_.at(place).sockets = sockets;
}

void Roster::started(InstancePtr const& instance, int pid) {
  instance->pid = pid;
}

void Roster::not_started(InstancePtr const& instance, std::string const& why, Moment now) {
  ended(instance, "did not start: " + why, now);
}

void Roster::listening(InstancePtr const& instance, Ports const& ports) {
  instance->ports = ports;
}

void Roster::became_ready(InstancePtr const& instance, Moment now) {
  if (!instance->first_ready) instance->first_ready = now.wall;
  instance->ready = true;
  instance->not_ready_since.reset();
  for (auto* const slots : {&dispatchers_, &workers_, &standbys_}) {
    for (auto& slot : *slots) {
      if (slot.next == instance) {
        leave(slot.current, now);
        slot.current = std::move(slot.next);
      }
      if (slot.current == instance) slot.trouble.reset();
    }
  }
}

void Roster::became_unready(InstancePtr const& instance, Moment now) {
  instance->ready = false;
  instance->not_ready_since = now.wall;
}

void Roster::ended(InstancePtr const& instance, std::string const& how, Moment now) {
  instance->ended = true;
  instance->ready = false;
  std::erase(leaving_, instance);
  for (auto* const slots : {&dispatchers_, &workers_, &standbys_}) {
    for (auto& slot : *slots) {
      if (slot.current != instance && slot.next != instance) continue;
      if (!instance->leaving) note_failure(slot, *instance, how, now.steady);
      (slot.current == instance ? slot.current : slot.next) = nullptr;
      if (!slot.current) slot.current = std::move(slot.next);
    }
  }
}

bool Roster::linked() const {
  return !dispatchers_.empty() && std::all_of(dispatchers_.begin(), dispatchers_.end(),
                                              [](Slot const& slot) { return slot.sockets.has_value(); });
}

Command Roster::dispatcher_template(api::Spec const& spec, std::string const& name) const {
  return dispatcher_command(settings_, spec, folder_ / "token", ports_file(name));
}

Command Roster::worker_template(api::Spec const& spec, std::string const& name) const {
  std::vector<std::uint16_t> links;
  for (auto const& slot : dispatchers_) links.push_back(slot.sockets->link);
  return worker_command(settings_, spec, name, links, folder_ / "token", ports_file(name), quota_file(name));
}

std::filesystem::path Roster::ports_file(std::string const& name) const {
  return folder_ / (name + ".ports");
}

std::filesystem::path Roster::quota_file(std::string const& name) const {
  return folder_ / (name + ".cpu.max");
}

std::vector<InstancePtr> Roster::running() const {
  auto instances = all_of(dispatchers_);
  for (auto const* slots : {&workers_, &standbys_}) {
    auto const workers = all_of(*slots);
    instances.insert(instances.end(), workers.begin(), workers.end());
  }
  instances.insert(instances.end(), leaving_.begin(), leaving_.end());
  return instances;
}

std::vector<int> Roster::cores_taken() const {
  std::vector<int> cores;
  for (auto const& each : running()) {
    if (each->command.core && !each->standby) cores.push_back(*each->command.core);
  }
  return cores;
}

/// The one that runs, and where it is not as wanted also the one that takes over from it, or will once it may
/// be started again. Where that failed in several slots, one of them is the next to try.
void Roster::observe_worker(Slot const& slot, std::optional<Command> const& wanted, Told& told, Moment now,
                            plan::Observation& seen) const {
  auto const is_outdated = [&](Instance const& each) {
    return wanted && !same_template(each.command, *wanted);
  };
  auto const add = [&](InstancePtr const& each) {
    plan::WorkerInstance worker;
    if (each) {
      worker = observed_worker(*each);
      worker.outdated = is_outdated(*each);
    } else {
      worker.name = key_.name + "-worker-waiting-" + std::to_string(++told.waiting);
      worker.created = now.wall;
    }
    worker.trouble = slot.trouble;
    seen.workers.push_back(std::move(worker));
  };
  add(slot.current);
  bool const will_be = !told.takes_over && slot.current && slot.trouble && is_outdated(*slot.current);
  if (!slot.current || (!slot.next && !will_be)) return;
  told.takes_over = true;
  add(slot.next);
}

void Roster::observe(plan::Observation& seen, Moment now) const {
  for (auto const& slot : dispatchers_) {
    auto instance = observed_dispatcher(slot, key_.name);
    instance.outdated = slot.current && seen.spec &&
                        !same_template(slot.current->command, dispatcher_template(*seen.spec, ""));
    seen.dispatchers.push_back(std::move(instance));
  }
  if (!dispatchers_.empty() && dispatchers_.front().sockets) {
    auto const port = dispatchers_.front().sockets->http;
    seen.endpoint = "http://" + origin(settings_.address, port).authority();
  }
  seen.worker_replicas = workers_wanted_;
  std::optional<Command> wanted;
  if (seen.spec && linked()) wanted = worker_template(*seen.spec, "");
  Told told;
  told.takes_over =
      std::any_of(workers_.begin(), workers_.end(), [](Slot const& slot) { return slot.next != nullptr; });
  for (auto const& slot : workers_) observe_worker(slot, wanted, told, now, seen);
  observe_standbys(wanted, now, seen);
  for (auto const& instance : leaving_) {
    if (instance->program == Program::Worker) seen.workers.push_back(observed_worker(*instance));
  }
}

}  // namespace ei::backend::local
