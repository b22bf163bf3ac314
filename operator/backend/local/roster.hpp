// Which processes of one service shall run, which do, and what follows from it: start this one, ask that one
// to leave, kill a third. The shell (group.hpp) does it, and reports what came of it.
//
// Pure: no process, no socket, no clock. Each call takes the time,
// so tests step through crashes and deadlines.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "operator/api/service.hpp"
#include "operator/backend/local/command.hpp"
#include "operator/backend/local/instance.hpp"
#include "operator/plan/observation.hpp"

namespace ei::backend::local {

/// Start this process. The shell answers with started() or not_started().
struct Start {
  InstancePtr instance;
  /// Of a dispatcher: which sockets it is handed down. The shell opens those that are not open yet, reports
  /// them with opened(), and puts their descriptors into the command. Of a worker:
  /// none; the shell chooses its core.
  std::optional<std::size_t> place;
};
/// Ask this process to leave (SIGTERM). It finishes its work.
struct Leave {
  InstancePtr instance;
};
/// Kill this process (SIGKILL): it has not left within its grace.
struct Kill {
  InstancePtr instance;
};
/// Give this worker its core, or take it back: as Instance::standby says.
struct Resize {
  InstancePtr instance;
};
/// Close the sockets of the dispatcher at this place: it has no successor, so a new connection is refused.
struct CloseSockets {
  std::size_t place = 0;
};
using Order = std::variant<Start, Leave, Kill, Resize, CloseSockets>;

/// What the shell knows of one moment: deadlines go by the first clock, people by the second.
struct Moment {
  SteadyTime steady{};
  WallTime wall{};
};

/// What is left of a process this long after its drain time-out does not end by itself.
inline constexpr milliseconds kKillAfter{5'000};
/// One that never became ready has no work to finish.
inline constexpr milliseconds kUnreadyGrace{2'000};

/// The processes of one service: as many dispatchers and workers as were asked for, each started anew when it
/// ends, and replaced when the spec asks for another command line.
class Roster {
 public:
  /// `numbers` counts the names of the service's processes. It outlives the roster: a service that was
  /// removed may be back while its old processes still end in the same folder,
  /// and new ones need names of their own.
  Roster(Settings settings, api::ServiceKey key, int& numbers);

  // What is wanted.
  void want_dispatchers(api::Spec const& spec, int count);
  void want_workers(api::Spec const& spec, int count, int standby = 0);
  /// So many of those that want_workers() asked for last; nothing happens before it was called.
  void want_workers(int count, int standby = 0);
  /// Ends this worker and starts another at once; nothing happens when there is none of that name.
  void replace_worker(std::string const& name, Moment now);
  /// Ends everything in the order that loses nothing: the dispatchers finish their queues while the workers
  /// serve, then the workers leave. From then on nothing is started.
  void stop();

  /// What is to be done now. Call again, with the same time, until there is nothing: a dispatcher's sockets
  /// must be open before a worker can be started. Then at next_time(), and after whatever is reported below.
  [[nodiscard]] std::vector<Order> step(Moment now);
  /// When a retry or the end of a grace is due; none: when something happens.
  [[nodiscard]] std::optional<SteadyTime> next_time() const { return next_time_; }

  // What has happened.
  void opened(std::size_t place, Ports const& sockets);
  void started(InstancePtr const& instance, int pid);
  void not_started(InstancePtr const& instance, std::string const& why, Moment now);
  void listening(InstancePtr const& instance, Ports const& ports);
  void became_ready(InstancePtr const& instance, Moment now);
  void became_unready(InstancePtr const& instance, Moment now);
  /// `how` for people: `exited with 3`.
  void ended(InstancePtr const& instance, std::string const& how, Moment now);

  /// Fills in dispatchers, workers, standbys, count and endpoint.
  void observe(plan::Observation& seen, Moment now) const;
  [[nodiscard]] std::optional<int> workers_wanted() const { return workers_wanted_; }
  /// A core for each worker that runs or is being started, and is no standby.
  [[nodiscard]] std::vector<int> cores_taken() const;
  /// Every process that has not ended, also those that are to leave.
  [[nodiscard]] std::vector<InstancePtr> running() const;

 private:
  void step_dispatchers(Moment now);
  void step_workers(Moment now);
  void step_worker(Slot& slot, Command const& wanted, bool& rolling, Moment now);
  void step_stop(Moment now);
  void step_kills(Moment now);
  [[nodiscard]] bool may_start(Slot const& slot, Moment now);
  void due(SteadyTime time);
  void start_dispatcher(std::size_t place, Moment now);
  [[nodiscard]] InstancePtr start_worker(Moment now, bool standby = false);
  // roster_standby.cpp
  void demote(std::size_t position, Moment now);
  void promote(std::size_t count, Command const& wanted, Moment now);
  void step_standbys(Command const& wanted, Moment now);
  void release_standbys(Moment now);
  void observe_standbys(std::optional<Command> const& wanted, Moment now, plan::Observation& seen) const;
  [[nodiscard]] InstancePtr new_instance(Program program, std::string name, Moment now) const;
  /// Takes the process out of its slot. Without a grace: its drain time-out and kKillAfter.
  void leave(InstancePtr& instance, Moment now, std::optional<milliseconds> grace = {});
  void ask_to_leave(InstancePtr const& instance, Moment now, milliseconds grace);
  [[nodiscard]] bool linked() const;
  [[nodiscard]] Command dispatcher_template(api::Spec const& spec, std::string const& name) const;
  [[nodiscard]] Command worker_template(api::Spec const& spec, std::string const& name) const;
  [[nodiscard]] std::filesystem::path ports_file(std::string const& name) const;
  [[nodiscard]] std::filesystem::path quota_file(std::string const& name) const;
  /// What was told of the slots so far.
  struct Told {
    int waiting = 0;          ///< places without a process
    bool takes_over = false;  ///< one that takes over, or will: there is one at a time
  };
  void observe_worker(Slot const& slot, std::optional<Command> const& wanted, Told& told, Moment now,
                      plan::Observation& seen) const;

  Settings settings_;
  api::ServiceKey key_;
  std::filesystem::path folder_;
  int& numbers_;
  std::optional<api::Spec> spec_;
  std::vector<Slot> dispatchers_;
  std::vector<Slot> workers_;
  std::vector<Slot> standbys_;
  std::vector<InstancePtr> leaving_;
  std::optional<int> workers_wanted_;
  int standbys_wanted_ = 0;
  int dispatchers_wanted_ = 0;
  bool stopping_ = false;
  std::vector<Order> orders_;
  std::optional<SteadyTime> next_time_;
};

/// The folder of a service's link token and ports files.
[[nodiscard]] std::filesystem::path service_folder(Settings const& settings, api::ServiceKey const& key);

}  // namespace ei::backend::local
