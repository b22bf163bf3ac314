#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operator/backend/local/instance.hpp"
#include "operator/backend/local/processes.hpp"
#include "runtime/async/task_group.hpp"

namespace ei::backend::local {

/// What the groups of all services share; outlives them.
struct Surroundings {
  asio::any_io_executor executor;
  Settings settings;
  Processes& processes;
  std::vector<int> cores;                         ///< that workers may have
  std::function<std::vector<int>()> cores_taken;  ///< a core for each worker that runs, of every service
  /// Numbers the names. A service that was removed may be back while its old processes still end in the same
  /// folder: the new ones need names of their own.
  std::map<api::ServiceKey, int> started = {};
};

/// The processes of one service: as many dispatchers and workers as it was told, each started anew when it
/// ends, and replaced when the spec asks for another command line. Use from the executor's thread only.
class Group : public std::enable_shared_from_this<Group> {
 public:
  /// `port` is wanted for the first dispatcher (0: any); `changed` is called whenever
  /// what observe() says has changed.
  Group(Surroundings& surroundings, api::ServiceKey key, std::uint16_t port, std::function<void()> changed);
  ~Group();

  /// Makes the link token's file and folder. Errors: Io.
  [[nodiscard]] Result<void> prepare();

  void ensure_dispatchers(api::Spec const& spec, int count);
  void ensure_workers(api::Spec const& spec, int count);
  /// So many of those that ensure_workers() made last; nothing happens before it was called.
  void scale_workers(int count);
  /// Ends this worker and starts another at once; nothing happens when there is none of that name.
  void replace_worker(std::string const& name);
  /// Ends everything in the order that loses nothing: the dispatchers finish their queues while the workers
  /// serve, then the workers leave. Kills what has not ended after the drain time-out.
  asio::awaitable<void> stop();
  /// Ends everything at once.
  void kill();

  /// Fills in dispatchers, workers, count and endpoint.
  void observe(plan::Observation& seen) const;
  [[nodiscard]] std::optional<int> workers_wanted() const { return workers_wanted_; }
  [[nodiscard]] std::vector<int> cores_taken() const;
  [[nodiscard]] std::uint16_t preferred_port() const { return preferred_port_; }

 private:
  using InstancePtr = std::shared_ptr<Instance>;

  void converge();
  void converge_dispatchers();
  void converge_workers();
  void converge_worker(Slot& slot, Command const& wanted, bool& rolling);
  bool may_start(Slot const& slot);
  void start_dispatcher(Slot& slot);
  void not_started(Slot& slot, std::string const& name, Error const& why);
  InstancePtr start(Slot& slot, std::string name, std::string address, Command command);
  Command worker_template(api::Spec const& spec, std::string const& name) const;
  Command dispatcher_template(api::Spec const& spec) const;
  bool linked() const;
  void observe_worker(Slot const& slot, std::optional<Command> const& wanted, int& waiting,
                      plan::Observation& seen) const;
  InstancePtr start_worker(Slot& slot);
  /// Without a grace: its own drain time-out.
  void leave(InstancePtr& instance, std::optional<milliseconds> grace = {});
  void ask_to_leave(InstancePtr const& instance, milliseconds grace);
  std::string next_number();
  void ended(InstancePtr const& instance, int wait_status, std::string const& last_words);
  void became_ready(InstancePtr const& instance);
  asio::awaitable<void> follow(InstancePtr instance);
  asio::awaitable<void> wait_for_ports(InstancePtr instance);
  asio::awaitable<void> kill_after(InstancePtr instance, milliseconds grace);
  static asio::awaitable<void> wait_until_ended(InstancePtr instance);
  std::vector<InstancePtr> all_of(std::vector<Slot> const& slots) const;

  Surroundings& surroundings_;
  api::ServiceKey key_;
  std::filesystem::path folder_;
  std::uint16_t preferred_port_;
  std::function<void()> changed_;
  std::optional<api::Spec> spec_;
  std::vector<Slot> dispatchers_;
  std::vector<Slot> workers_;
  std::vector<InstancePtr> leaving_;
  std::optional<int> workers_wanted_;
  int dispatchers_wanted_ = 0;
  bool stopping_ = false;
  std::optional<SteadyTime> next_start_;  ///< the earliest retry that was met in this converge
  asio::steady_timer retry_timer_;
  TaskGroup tasks_;
};

}  // namespace ei::backend::local
