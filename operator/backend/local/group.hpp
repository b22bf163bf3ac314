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

#include "operator/backend/local/listeners.hpp"
#include "operator/backend/local/processes.hpp"
#include "operator/backend/local/roster.hpp"
#include "runtime/async/event.hpp"
#include "runtime/async/task_group.hpp"

namespace ei::backend::local {

/// What the groups of all services share; outlives them.
struct Surroundings {
  asio::any_io_executor executor;
  Settings settings;
  Processes& processes;
  std::vector<int> cores;                         ///< that workers may have
  std::function<std::vector<int>()> cores_taken;  ///< a core for each worker that runs, of every service
  std::map<api::ServiceKey, int> started = {};    ///< Roster's `numbers`
};

/// The processes of one service: does what its Roster says, and reports to it what the processes do. Use from
/// the executor's thread only.
class Group : public std::enable_shared_from_this<Group> {
 public:
  /// `port` is wanted for the first dispatcher (0: any); `changed` is called whenever
  /// what observe() says has changed.
  Group(Surroundings& surroundings, api::ServiceKey key, std::uint16_t port, std::function<void()> changed);
  ~Group();

  /// Makes the link token's file and folder. Errors: Io.
  [[nodiscard]] Result<void> prepare();

  void ensure_dispatchers(api::Spec const& spec, int count);
  void ensure_workers(api::Spec const& spec, int count, int standby);
  /// So many of those that ensure_workers() made last; nothing happens before it was called.
  void scale_workers(int count, int standby);
  /// Ends this worker and starts another at once; nothing happens when there is none of that name.
  void replace_worker(std::string const& name);
  /// Ends everything as Roster::stop() says. Kills what has not ended after the drain time-out.
  asio::awaitable<void> stop();
  /// Kills everything at once.
  void abort();

  /// Fills in dispatchers, workers, standbys, count and endpoint.
  void observe(plan::Observation& seen) const;
  [[nodiscard]] std::optional<int> workers_wanted() const { return roster_.workers_wanted(); }
  [[nodiscard]] std::vector<int> cores_taken() const { return roster_.cores_taken(); }
  [[nodiscard]] std::uint16_t preferred_port() const { return preferred_port_; }

 private:
  void converge();
  void perform(Start const& order, Moment now);
  void perform(Leave const& order, Moment now);
  void perform(Kill const& order, Moment now);
  void perform(Resize const& order, Moment now);
  void perform(CloseSockets const& order, Moment now);
  [[nodiscard]] Result<void> hand_down_sockets(Instance& instance, std::size_t place);
  void ended(InstancePtr const& instance, int wait_status, std::string const& last_words);
  asio::awaitable<void> follow(InstancePtr instance);
  asio::awaitable<void> wait_for_ports(InstancePtr instance);

  Surroundings& surroundings_;
  api::ServiceKey key_;
  std::filesystem::path folder_;
  std::uint16_t preferred_port_;
  std::function<void()> changed_;
  Roster roster_;
  std::map<std::size_t, Listeners> listeners_;  ///< by the dispatcher's place
  asio::steady_timer due_;                      ///< Roster::next_time()
  Event process_ended_;
  Event resized_;
  TaskGroup tasks_;
};

}  // namespace ei::backend::local
