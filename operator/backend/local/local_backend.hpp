#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "operator/backend/backend.hpp"
#include "operator/backend/local/file_watch.hpp"
#include "operator/backend/local/group.hpp"
#include "operator/backend/local/manifest_set.hpp"
#include "operator/backend/local/processes.hpp"
#include "runtime/async/event.hpp"
#include "runtime/async/task_group.hpp"

namespace ei::backend::local {

/// Services from manifest files, run as processes of this machine. Use from the executor's thread only, which
/// must be the thread that runs the program to its end.
class LocalBackend final : public Backend {
 public:
  /// `forward` hears every line that the processes write.
  LocalBackend(asio::any_io_executor executor, Settings settings,
               std::vector<std::filesystem::path> manifests, Processes::Forward forward);
  ~LocalBackend() override;

  asio::awaitable<Result<plan::Observation>> observe(api::ServiceKey key) override;
  asio::awaitable<Result<void>> apply(plan::Observation const& seen, plan::Actions const& actions) override;
  asio::awaitable<Result<std::vector<api::ServiceKey>>> wait_change() override;

  /// Stops every process in the order that loses nothing, and waits for it. Call once
  /// the reconciler has stopped.
  asio::awaitable<void> stop();
  /// Kills every process at once: stop() returns soon.
  void abort();

 private:
  struct Service {
    std::shared_ptr<Group> group;
    api::Status status;
  };

  asio::awaitable<void> follow_manifests();
  void take(FileWatch::Change const& change);
  void changed(api::ServiceKey const& key);
  Result<Service*> service_for(api::ServiceKey const& key);
  std::uint16_t next_port() const;
  plan::Shortage shortage_of(api::ServiceKey const& key) const;
  std::vector<int> cores_taken() const;
  void remove(api::ServiceKey const& key);
  Result<void> apply_one(plan::Observation const& seen, plan::Action const& action);

  asio::any_io_executor executor_;
  Processes processes_;
  Surroundings surroundings_;
  FileWatch watch_;
  ManifestSet manifests_;
  std::map<api::ServiceKey, Service> services_;
  std::vector<std::shared_ptr<Group>> leaving_;
  std::set<api::ServiceKey> changed_;
  Event more_;     ///< changed_ has got a key
  Event removed_;  ///< leaving_ has lost a group
  TaskGroup tasks_;
};

}  // namespace ei::backend::local
