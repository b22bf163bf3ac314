#pragma once

#include "operator/api/service.hpp"
#include "operator/backend/kube/client/client.hpp"
#include "operator/backend/kube/informer.hpp"
#include "runtime/async/task_group.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ei::kube {

/// Informers for everything the operator looks at: its services, the children it made, and their pods; in all
/// namespaces or in some. Children are found by the labels the operator gave them.
class Caches {
 public:
  struct Options {
    std::vector<std::string> namespaces;  ///< empty: all
    std::string field_manager;
    bool network_policies = true;
    std::uint64_t seed = 1;
  };
  /// Hears of services that are to be looked at again.
  using OnChange = std::function<void(api::ServiceKey const&)>;

  /// Hears of a service whose spec was changed, before it is told by OnChange.
  using OnEdit = std::function<void(CachedObject const& before, CachedObject const& after)>;

  /// `client` must outlive the caches.
  Caches(Client& client, Options options, OnChange on_change, OnEdit on_edit);

  void start(TaskGroup& tasks);
  /// True once every collection was listed whole, but for ServiceMonitors: nobody waits for them.
  bool synced() const;
  /// False while the server does not serve one of them, or does not let us see it; but for ServiceMonitors.
  bool served() const;

  /// Looks at ServiceMonitors too from now on: their API may be installed long after us, or never.
  void start_monitors(TaskGroup& tasks);
  /// True once they were listed whole.
  bool monitors_synced() const;

  /// `plural` is the type's: no two of these kinds share one.
  CachedObject const* find(std::string_view plural, ObjectKey const& key) const;
  CachedObject const* find(ResourceType const& type, ObjectKey const& key) const {
    return find(type.plural, key);
  }
  /// Objects of a service and a component, in order of names.
  std::vector<CachedObject const*> of_service(ResourceType const& type, api::ServiceKey const& service,
                                              std::string_view component) const;
  /// The answer of a write of ours.
  void learn(ResourceType const& type, boost::json::value const& object);

  /// When a pod that is not ready now was ready first; empty when it never was, as far as this process saw.
  std::optional<WallTime> first_ready(std::string const& pod_uid) const;
  /// Since when a pod has been hanging, by this process's own clock: `since` is the clock of its node, which
  /// may go an hour behind. Never earlier than when this process saw it.
  WallTime hanging_since(std::string const& pod_uid, WallTime since) const;

 private:
  using Keep = boost::json::value (*)(boost::json::value const&);
  void add(ResourceType const& type, std::string const& namespace_name, Keep keep);
  void start(TaskGroup& tasks, std::size_t first);
  void on_service(ObjectKey const& key, CachedObject const* before, CachedObject const* after);
  void on_child(CachedObject const* before, CachedObject const* after);
  void remember_ready(CachedObject const* before, CachedObject const* after);
  void remember_hanging(CachedObject const* before, CachedObject const* after);
  Informer* informer(std::string_view plural, std::string const& namespace_name) const;

  Client& client_;
  Options options_;
  OnChange on_change_;
  OnEdit on_edit_;
  std::vector<std::unique_ptr<Informer>> informers_;
  std::map<std::string, WallTime> first_ready_;  ///< by pod uid
  struct Hanging {
    WallTime since{};  ///< as its node says
    WallTime seen{};   ///< when this process first saw it so
  };
  std::map<std::string, Hanging> hanging_;  ///< by pod uid
};

}  // namespace ei::kube
