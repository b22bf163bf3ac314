#include "operator/backend/local/group.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <fstream>

#include "operator/backend/local/cores.hpp"
#include "operator/backend/local/readiness.hpp"
#include "operator/backend/local/token.hpp"
#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/files.hpp"

namespace ei::backend::local {
namespace {

/// How often the ports file of a starting process is looked for:
/// well under the time a dispatcher takes to start.
constexpr milliseconds kPortsPoll{10};

Moment now() {
  return {std::chrono::steady_clock::now(), std::chrono::system_clock::now()};
}

/// A worker sees the old quota or the new one.
Result<void> write_quota(std::filesystem::path const& file, std::string_view quota) {
  auto beside = file;
  beside += ".new";
  std::ofstream out(beside, std::ios::binary | std::ios::trunc);
  out << quota;
  out.close();
  std::error_code wrong;
  if (out) std::filesystem::rename(beside, file, wrong);
  if (!out || wrong) return make_error(ErrorKind::Io, file.string() + ": cannot write");
  return {};
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
      folder_(service_folder(surroundings.settings, key_)),
      preferred_port_(port),
      changed_(std::move(changed)),
      roster_(surroundings.settings, key_, surroundings.started[key_]),
      due_(surroundings.executor),
      process_ended_(surroundings.executor),
      resized_(surroundings.executor),
      tasks_(surroundings.executor, log::failed_task) {}

Group::~Group() {
  due_.cancel();
  abort();
}

Result<void> Group::prepare() {
  return make_token(folder_, folder_ / "token");
}

void Group::ensure_dispatchers(api::Spec const& spec, int count) {
  roster_.want_dispatchers(spec, count);
  converge();
}

void Group::ensure_workers(api::Spec const& spec, int count, int standby) {
  roster_.want_workers(spec, count, standby);
  converge();
}

void Group::scale_workers(int count, int standby) {
  roster_.want_workers(count, standby);
  converge();
}

void Group::replace_worker(std::string const& name) {
  roster_.replace_worker(name, now());
  converge();
}

// Makes the processes what they should be, as far as that is possible now.
// Everything that happens calls it again.
void Group::converge() {
  auto const moment = now();
  for (auto orders = roster_.step(moment); !orders.empty(); orders = roster_.step(moment)) {
    for (auto const& order : orders) {
      std::visit([&](auto const& each) { perform(each, moment); }, order);
    }
  }
  due_.cancel();
  if (!roster_.next_time()) return;
  due_.expires_at(*roster_.next_time());
  due_.async_wait([weak = weak_from_this()](auto const& wrong) {
    if (auto const self = weak.lock(); self && !wrong) self->converge();
  });
}

Result<void> Group::hand_down_sockets(Instance& instance, std::size_t place) {
  auto found = listeners_.find(place);
  if (found == listeners_.end()) {
    auto const port = place == 0 ? preferred_port_ : std::uint16_t{0};
    auto opened = Listeners::open(surroundings_.executor, surroundings_.settings.address, port);
    if (!opened) return opened.error();
    found = listeners_.emplace(place, std::move(*opened)).first;
    roster_.opened(place, found->second.ports());
  }
  instance.command.descriptors = found->second.descriptors();
  return {};
}

void Group::perform(Start const& order, Moment moment) {
  auto const& instance = order.instance;
  auto prepared = Result<void>();
  if (order.place) {
    prepared = hand_down_sockets(*instance, *order.place);
  } else {
    instance->command.core = pick_core(surroundings_.cores, surroundings_.cores_taken());
    if (!instance->quota_file.empty())
      prepared = write_quota(instance->quota_file, quota_of(instance->standby));
  }
  std::weak_ptr<Group> const weak = weak_from_this();
  auto on_exit = [weak, instance](int wait_status, std::string const& last_words) {
    if (auto const self = weak.lock()) self->ended(instance, wait_status, last_words);
  };
  auto const pid = prepared ? surroundings_.processes.start(instance->command, std::move(on_exit))
                            : Result<pid_t>(prepared.error());
  if (!pid) {
    log::error("process_not_started", {{"process", instance->name}, {"error", pid.error().message}});
    roster_.not_started(instance, pid.error().message, moment);
    return;
  }
  roster_.started(instance, *pid);
  log_process("process_started", key_, *instance);
  tasks_.spawn("follow " + instance->name, [this, instance] { return follow(instance); });
}

void Group::perform(Leave const& order, Moment) {
  surroundings_.processes.signal(order.instance->pid, SIGTERM);
  log_process("process_leaving", key_, *order.instance);
}

void Group::perform(Kill const& order, Moment) {
  log::warn("process_killed",
            {{"process", order.instance->name}, {"after", format_duration(order.instance->grace)}});
  surroundings_.processes.signal(order.instance->pid, SIGKILL);
}

// Of the core it had as a standby others may have made use.
void Group::perform(Resize const& order, Moment) {
  auto& instance = *order.instance;
  if (!instance.standby) {
    instance.command.core.reset();
    instance.command.core = pick_core(surroundings_.cores, surroundings_.cores_taken());
    if (auto const moved = move_to_core(instance.pid, *instance.command.core); !moved)
      log::warn("process_not_moved", {{"process", instance.name}, {"error", moved.error().message}});
  }
  if (auto const written = write_quota(instance.quota_file, quota_of(instance.standby)); !written)
    log::error("process_not_resized", {{"process", instance.name}, {"error", written.error().message}});
  log_process(instance.standby ? "process_on_standby" : "process_promoted", key_, instance);
  resized_.notify();
}

void Group::perform(CloseSockets const& order, Moment) {
  listeners_.erase(order.place);
}

void Group::ended(InstancePtr const& instance, int wait_status, std::string const& last_words) {
  auto how = describe_exit(wait_status);
  if (!last_words.empty() && !instance->leaving) how += " (" + last_words + ")";
  log::write(instance->leaving ? log::Level::Info : log::Level::Warn, "process_ended",
             {{"service", key_.name}, {"process", instance->name}, {"pid", instance->pid}, {"how", how}});
  std::error_code ignored;
  std::filesystem::remove(instance->ports_file, ignored);
  if (!instance->quota_file.empty()) std::filesystem::remove(instance->quota_file, ignored);
  roster_.ended(instance, how, now());
  process_ended_.notify();
  changed_();
  converge();
}

asio::awaitable<void> Group::wait_for_ports(InstancePtr instance) {
  while (!instance->ended && !instance->ports) {
    auto const text = process::read_file(instance->ports_file, 4096);
    auto const ports = text ? parse_ports(*text) : Result<Ports>(text.error());
    if (ports) {
      roster_.listening(instance, *ports);
      changed_();
      converge();
      co_return;
    }
    co_await sleep_for(kPortsPoll);
  }
}

// Watches one process from its start to its end.
asio::awaitable<void> Group::follow(InstancePtr instance) {
  // Not before perform() has returned: on a busy machine the ports may be there already, and converge() must
  // not run within itself.
  co_await asio::post(asio::use_awaitable);
  co_await wait_for_ports(instance);
  if (instance->ended) co_return;
  // A worker has no port for clients.
  auto const& ports = *instance->ports;
  Readiness readiness(surroundings_.executor,
                      origin(instance->address, ports.http != 0 ? ports.http : ports.metrics));
  while (!instance->ended && !instance->leaving) {
    bool const answers = co_await readiness.ask();
    if (instance->ended || instance->leaving) co_return;
    bool const ready = answers && (instance->standby || !readiness.standby());
    if (ready && !instance->ready) {
      roster_.became_ready(instance, now());
      log_process("process_ready", key_, *instance);
      changed_();
      converge();
    } else if (!ready && instance->ready) {
      roster_.became_unready(instance, now());
      changed_();
    }
    if (!instance->ready) {
      co_await sleep_for(Readiness::kStartingPoll);
    } else {
      (void)co_await until(
          resized_, [&] { return !instance->ready; }, now().steady + Readiness::kSteadyPoll);
    }
  }
}

asio::awaitable<void> Group::stop() {
  auto const self = shared_from_this();
  roster_.stop();
  converge();
  // Each of them has a grace, after which it is killed.
  (void)co_await until(process_ended_, [this] { return roster_.running().empty(); });
}

void Group::abort() {
  roster_.stop();
  for (auto const& instance : roster_.running()) surroundings_.processes.signal(instance->pid, SIGKILL);
}

void Group::observe(plan::Observation& seen) const {
  roster_.observe(seen, now());
}

}  // namespace ei::backend::local
