#include "operator/backend/local/group.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>

#include "operator/backend/local/cores.hpp"
#include "operator/backend/local/readiness.hpp"
#include "operator/backend/local/token.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/files.hpp"

namespace ei::backend::local {
namespace {

using SteadyClock = std::chrono::steady_clock;
using WallClock = std::chrono::system_clock;

/// How often the ports file of a starting process is looked for: well under the time
/// a dispatcher takes to start.
constexpr milliseconds kPortsPoll{10};
/// What is left of a process this long after its drain time-out does not end by itself.
constexpr milliseconds kKillAfter{5'000};
/// One that never became ready has no work to finish.
constexpr milliseconds kUnreadyGrace{2'000};
/// How often the end of a leaving process is looked for: nobody waits for it but other processes' ends.
constexpr milliseconds kEndPoll{20};

milliseconds grace_of(Instance const& instance) {
  return instance.drain_timeout + kKillAfter;
}

void log_process(std::string_view event, api::ServiceKey const& key, Instance const& instance) {
  log::info(event, {{"namespace", key.namespace_name},
                    {"service", key.name},
                    {"process", instance.name},
                    {"pid", instance.pid}});
}

}  // namespace

Group::Group(Surroundings& surroundings, api::ServiceKey key, std::uint16_t port,
             std::function<void()> changed)
    : surroundings_(surroundings),
      key_(std::move(key)),
      folder_(surroundings.settings.run_dir / (key_.namespace_name + "." + key_.name)),
      preferred_port_(port),
      changed_(std::move(changed)),
      retry_timer_(surroundings.executor),
      tasks_(surroundings.executor, [](std::string const& name, std::string const& what) {
        log::error("task_failed", {{"task", name}, {"error", what}});
      }) {}

Group::~Group() {
  retry_timer_.cancel();
  kill();
}

Result<void> Group::prepare() {
  return make_token(folder_, folder_ / "token");
}

void Group::ensure_dispatchers(api::Spec const& spec, int count) {
  spec_ = spec;
  dispatchers_wanted_ = count;
  converge();
}

void Group::ensure_workers(api::Spec const& spec, int count) {
  spec_ = spec;
  workers_wanted_ = count;
  converge();
}

void Group::scale_workers(int count) {
  if (!workers_wanted_) return;
  workers_wanted_ = count;
  converge();
}

void Group::replace_worker(std::string const& name) {
  for (auto& slot : workers_) {
    if (!slot.current || slot.current->name != name) continue;
    leave(slot.current, kUnreadyGrace);
    slot.retry_at = {};
    slot.failures = 0;
  }
  converge();
}

// Makes the processes what they should be, as far as that is possible now. Everything
// that happens calls it again.
void Group::converge() {
  if (stopping_ || !spec_) return;
  next_start_.reset();
  converge_dispatchers();
  converge_workers();
  if (!next_start_) return;
  retry_timer_.expires_at(*next_start_);
  retry_timer_.async_wait([weak = weak_from_this()](auto const& wrong) {
    if (auto const self = weak.lock(); self && !wrong) self->converge();
  });
}

bool Group::may_start(Slot const& slot) {
  if (slot.retry_at <= SteadyClock::now()) return true;
  next_start_ = std::min(next_start_.value_or(slot.retry_at), slot.retry_at);
  return false;
}

void Group::converge_dispatchers() {
  auto const wanted = static_cast<std::size_t>(dispatchers_wanted_);
  while (dispatchers_.size() > wanted) {
    leave(dispatchers_.back().current);
    dispatchers_.pop_back();
  }
  dispatchers_.resize(wanted);
  for (auto& slot : dispatchers_) {
    if (!slot.current) {
      if (may_start(slot)) start_dispatcher(slot);
      continue;
    }
    auto const command = dispatcher_template(*spec_);
    // The new one starts when the old one has finished its queue and ended; meanwhile new connections wait.
    // Two at once would share the sockets: a scrape or a worker would reach either.
    if (!same_template(slot.current->command, command)) ask_to_leave(slot.current, grace_of(*slot.current));
  }
}

void Group::start_dispatcher(Slot& slot) {
  bool const first = &slot == &dispatchers_.front();
  auto const& settings = surroundings_.settings;
  auto const name = key_.name + "-dispatcher-" + next_number();
  if (!slot.listeners) {
    auto opened =
        Listeners::open(surroundings_.executor, settings.address, first ? preferred_port_ : std::uint16_t{0});
    if (!opened) {
      not_started(slot, name, opened.error());
      return;
    }
    slot.listeners = std::move(*opened);
  }
  auto command = dispatcher_command(settings, *spec_, folder_ / "token", folder_ / (name + ".ports"));
  command.descriptors = slot.listeners->descriptors();
  slot.current = start(slot, name, settings.address, std::move(command));
}

void Group::converge_workers() {
  if (!workers_wanted_) return;
  auto const wanted = static_cast<std::size_t>(*workers_wanted_);
  auto const victims = surplus(workers_, wanted);
  for (auto position = victims.rbegin(); position != victims.rend(); ++position) {
    auto& slot = workers_[*position];
    leave(slot.current);
    leave(slot.next, kUnreadyGrace);
    workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(*position));
  }
  workers_.resize(wanted);
  // A worker is told where the dispatchers are: they come first.
  if (!linked()) return;
  auto const command = worker_template(*spec_, "");
  bool rolling =
      std::any_of(workers_.begin(), workers_.end(), [](Slot const& slot) { return slot.next != nullptr; });
  for (auto& slot : workers_) converge_worker(slot, command, rolling);
}

// current | is as wanted | ready | next     | then
//  none   |      -       |   -   |   -      | start one
//  there  |     yes      |   -   |   -      | a next one is not needed any more
//  there  |      no      |  no   |   -      | replace it at once: it serves nobody
//  there  |      no      |  yes  | none     | start the next one beside it, one slot at a time
//  there  |      no      |  yes  | outdated | replace the next one
void Group::converge_worker(Slot& slot, Command const& wanted, bool& rolling) {
  if (!slot.current) {
    if (may_start(slot)) slot.current = start_worker(slot);
    return;
  }
  if (same_template(slot.current->command, wanted)) {
    leave(slot.next, kUnreadyGrace);
    return;
  }
  if (!slot.current->ready) {
    leave(slot.current, kUnreadyGrace);
    leave(slot.next, kUnreadyGrace);
    if (may_start(slot)) slot.current = start_worker(slot);
    return;
  }
  if (slot.next && !same_template(slot.next->command, wanted)) {
    leave(slot.next, kUnreadyGrace);
    slot.failures = 0, slot.retry_at = {};
    rolling = false;
  }
  if (slot.next || rolling) return;
  rolling = true;
  if (may_start(slot)) slot.next = start_worker(slot);
}

Group::InstancePtr Group::start_worker(Slot& slot) {
  auto const name = key_.name + "-worker-" + next_number();
  auto command = worker_template(*spec_, name);
  command.core = pick_core(surroundings_.cores, surroundings_.cores_taken());
  return start(slot, name, kLoopback, std::move(command));
}

void Group::not_started(Slot& slot, std::string const& name, Error const& why) {
  Instance instance;
  instance.name = name;
  instance.started = SteadyClock::now();
  note_failure(slot, instance, "did not start: " + why.message, instance.started);
  log::error("process_not_started", {{"process", name}, {"error", why.message}});
  may_start(slot);
}

Group::InstancePtr Group::start(Slot& slot, std::string name, std::string address, Command command) {
  auto instance = std::make_shared<Instance>();
  instance->name = std::move(name);
  instance->address = std::move(address);
  instance->command = std::move(command);
  instance->ports_file = folder_ / (instance->name + ".ports");
  instance->drain_timeout = drain_timeout(surroundings_.settings, *spec_);
  instance->created = WallClock::now();
  instance->not_ready_since = instance->created;
  instance->started = SteadyClock::now();
  std::weak_ptr<Group> const weak = weak_from_this();
  auto const started = surroundings_.processes.start(
      instance->command, [weak, instance](int wait_status, std::string const& last_words) {
        if (auto const self = weak.lock()) self->ended(instance, wait_status, last_words);
      });
  if (!started) {
    not_started(slot, instance->name, started.error());
    return nullptr;
  }
  instance->pid = *started;
  log_process("process_started", key_, *instance);
  tasks_.spawn("follow " + instance->name, [this, instance] { return follow(instance); });
  return instance;
}

void Group::leave(InstancePtr& instance, std::optional<milliseconds> grace) {
  if (!instance) return;
  leaving_.push_back(instance);
  ask_to_leave(instance, grace.value_or(grace_of(*instance)));
  instance.reset();
}

// Once: to a process that is leaving already a second signal says that it shall drop its work.
void Group::ask_to_leave(InstancePtr const& instance, milliseconds grace) {
  if (instance->leaving) return;
  instance->leaving = true;
  surroundings_.processes.signal(instance->pid, SIGTERM);
  log_process("process_leaving", key_, *instance);
  tasks_.spawn("end " + instance->name, [this, instance, grace] { return kill_after(instance, grace); });
}

std::string Group::next_number() {
  return std::to_string(++surroundings_.started[key_]);
}

void Group::ended(InstancePtr const& instance, int wait_status, std::string const& last_words) {
  instance->ended = true;
  instance->ready = false;
  auto how = describe_exit(wait_status);
  if (!last_words.empty() && !instance->leaving) how += " (" + last_words + ")";
  log::write(instance->leaving ? log::Level::Info : log::Level::Warn, "process_ended",
             {{"service", key_.name}, {"process", instance->name}, {"pid", instance->pid}, {"how", how}});
  std::error_code ignored;
  std::filesystem::remove(instance->ports_file, ignored);
  std::erase(leaving_, instance);
  for (auto* slots : {&dispatchers_, &workers_}) {
    for (auto& slot : *slots) {
      if (slot.current != instance && slot.next != instance) continue;
      if (!instance->leaving) note_failure(slot, *instance, how, SteadyClock::now());
      (slot.current == instance ? slot.current : slot.next) = nullptr;
      if (!slot.current) slot.current = std::move(slot.next);
    }
  }
  changed_();
  converge();
}

void Group::became_ready(InstancePtr const& instance) {
  auto const now = WallClock::now();
  if (!instance->first_ready) instance->first_ready = now;
  instance->ready = true;
  instance->not_ready_since.reset();
  log_process("process_ready", key_, *instance);
  for (auto* slots : {&dispatchers_, &workers_}) {
    for (auto& slot : *slots) {
      if (slot.next == instance) {
        leave(slot.current);
        slot.current = std::move(slot.next);
      }
      if (slot.current == instance) slot.trouble.reset();
    }
  }
  changed_();
  converge();
}

asio::awaitable<void> Group::wait_for_ports(InstancePtr instance) {
  while (!instance->ended && !instance->ports) {
    auto const text = process::read_file(instance->ports_file, 4096);
    auto const ports = text ? parse_ports(*text) : Result<Ports>(text.error());
    if (ports) {
      instance->ports = *ports;
      changed_();
      converge();
      co_return;
    }
    co_await sleep_for(kPortsPoll);
  }
}

// Watches one process from its start to its end.
asio::awaitable<void> Group::follow(InstancePtr instance) {
  // Not before start() has returned: on a busy machine the ports may be there already, and converge() would
  // find the slot empty and start another.
  co_await asio::post(asio::use_awaitable);
  co_await wait_for_ports(instance);
  if (instance->ended) co_return;
  // A worker has no port for clients.
  auto const& ports = *instance->ports;
  Readiness readiness(surroundings_.executor,
                      origin(instance->address, ports.http != 0 ? ports.http : ports.metrics));
  while (!instance->ended && !instance->leaving) {
    bool const ready = co_await readiness.ask();
    if (instance->ended || instance->leaving) co_return;
    if (ready && !instance->ready) {
      became_ready(instance);
    } else if (!ready && instance->ready) {
      instance->ready = false;
      instance->not_ready_since = WallClock::now();
      changed_();
    }
    co_await sleep_for(instance->ready ? Readiness::kSteadyPoll : Readiness::kStartingPoll);
  }
}

asio::awaitable<void> Group::kill_after(InstancePtr instance, milliseconds grace) {
  auto const deadline = SteadyClock::now() + grace;
  while (!instance->ended && SteadyClock::now() < deadline) co_await sleep_for(kEndPoll);
  if (instance->ended) co_return;
  log::warn("process_killed", {{"process", instance->name}, {"after", format_duration(grace)}});
  surroundings_.processes.signal(instance->pid, SIGKILL);
}

// The process was asked to leave before. It ends by itself, or when its time is up it is killed.
asio::awaitable<void> Group::wait_until_ended(InstancePtr instance) {
  while (!instance->ended) co_await sleep_for(kEndPoll);
}

std::vector<Group::InstancePtr> Group::all_of(std::vector<Slot> const& slots) const {
  std::vector<InstancePtr> instances;
  for (auto const& slot : slots) {
    for (auto const& each : {slot.current, slot.next}) {
      if (each) instances.push_back(each);
    }
  }
  return instances;
}

asio::awaitable<void> Group::stop() {
  stopping_ = true;
  auto const self = shared_from_this();
  // There is no successor: a new connection is refused and need not wait.
  for (auto& slot : dispatchers_) slot.listeners.reset();
  for (auto const* slots : {&dispatchers_, &workers_}) {
    auto const instances = all_of(*slots);
    for (auto const& instance : instances) ask_to_leave(instance, grace_of(*instance));
    for (auto const& instance : instances) co_await wait_until_ended(instance);
  }
  auto const rest = leaving_;
  for (auto const& instance : rest) co_await wait_until_ended(instance);
}

void Group::kill() {
  stopping_ = true;
  for (auto const* slots : {&dispatchers_, &workers_}) {
    for (auto const& instance : all_of(*slots)) surroundings_.processes.signal(instance->pid, SIGKILL);
  }
  for (auto const& instance : leaving_) surroundings_.processes.signal(instance->pid, SIGKILL);
}

std::vector<int> Group::cores_taken() const {
  std::vector<int> cores;
  for (auto const& instance : all_of(workers_)) cores.push_back(instance->command.core.value_or(-1));
  for (auto const& instance : leaving_) {
    if (instance->command.core) cores.push_back(*instance->command.core);
  }
  return cores;
}

}  // namespace ei::backend::local
