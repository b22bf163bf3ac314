#pragma once

#include "runtime/core/units.hpp"
#include "runtime/http/message.hpp"
#include "tests/sim/api/ownership.hpp"
#include "tests/sim/api/route.hpp"
#include "tests/sim/api/storage.hpp"
#include "tests/sim/api/watch.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <variant>

namespace ei::sim {

/// A Kubernetes API server in memory, as far as the operator can tell: resource versions and conflicts,
/// server-side apply, finalizers and owners, subresources, pages, watches. Takes requests as they are on the
/// wire. Pure: `now` is an argument. tests/cluster/test_parity.py holds it to the real one.
class ApiServer {
 public:
  ApiServer();

  /// Any request but a watch.
  http::Response handle(http::Request const& request, WallTime now);
  /// Whether handle() or watch() is to be asked.
  static bool is_watch(http::Request const& request);
  std::variant<Watch, http::Response> watch(http::Request const& request, SteadyTime now) const;

  Storage const& storage() const { return storage_; }
  void on_change(std::function<void(Kind const&, Change const&)> listener) {
    storage_.on_change = std::move(listener);
  }

  /// As a new process over the same storage: no older version can be watched from.
  void restart() { storage_.forget(); }
  /// Answers GET at a path of its own.
  void serve_document(std::string path, boost::json::value document);

  /// One round of the garbage collector: dependents of owners that are gone, finalizers that it keeps.
  void collect(WallTime now);

  // What the cluster's own controllers do to objects, without going by JSON.
  using Edit = std::function<void(boost::json::object&)>;
  /// Changes any part of an object, its status included; an object that stays as it is is not written.
  /// False when there is none.
  bool edit(kube::ResourceType const& type, kube::ObjectKey const& key, WallTime now, Edit const& edit);
  void create(kube::ResourceType const& type, boost::json::object object, WallTime now);
  /// A graceful end is over: nothing holds the object any more.
  void remove(kube::ResourceType const& type, kube::ObjectKey const& key);

 private:
  struct Write {
    Kind const& kind;
    kube::ObjectKey key;
    Manager manager;
    WallTime now;
  };
  http::Response get(Route const& route) const;
  http::Response list(Route const& route);
  http::Response page(Route const& route, std::string const& token, std::size_t limit);
  http::Response post(Route const& route, http::Request const& request, WallTime now);
  http::Response replace(Route const& route, http::Request const& request, WallTime now);
  http::Response patch(Route const& route, http::Request const& request, WallTime now);
  http::Response apply(Route const& route, boost::json::object applied, WallTime now);
  http::Response patch_scale(Route const& route, boost::json::object const& patch, WallTime now);
  /// By a JSON patch of `test` and `replace`.
  http::Response patch_scale_tested(Route const& route, std::string const& patch, WallTime now);
  http::Response erase(Route const& route, http::Request const& request, WallTime now);
  http::Response store(Write const& write, RevisionPtr const& before, boost::json::object next,
                       Ownership* owned, int status);
  void complete(Write const& write, RevisionPtr const& before, boost::json::object& next);
  void begin_removal(Kind const& kind, kube::ObjectKey const& key, boost::json::object options, WallTime now);
  void end_removal(Kind const& kind, kube::ObjectKey const& key);
  void collect_one(Kind const& kind, kube::ObjectKey const& key, std::set<std::string> const& uids,
                   WallTime now);
  bool release(Kind const& kind, kube::ObjectKey const& key, std::string_view finalizer, WallTime now);
  std::string next_uid();

  Storage storage_;
  std::map<std::string, std::string> documents_;
  /// Listings of which pages are still asked for, by the version that they show.
  struct Snapshot {
    std::uint64_t version = 0;
    Storage::Objects objects;
  };
  std::map<std::string, Snapshot> snapshots_;
  std::uint64_t uids_ = 0;
};

}  // namespace ei::sim
