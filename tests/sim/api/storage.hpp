#pragma once

#include "operator/backend/kube/protocol/resource.hpp"
#include "tests/sim/api/schema.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ei::sim {

/// One version of one object; it never changes.
struct Revision {
  std::uint64_t version = 0;
  boost::json::object object;
  std::string text;  ///< the object as JSON: it is sent many times
};
using RevisionPtr = std::shared_ptr<Revision const>;

/// One change: an object that appeared has no `before`, one that went away is shown as it was last, with the
/// version of its removal.
struct Change {
  std::uint64_t version = 0;
  RevisionPtr before;
  RevisionPtr after;
  bool removed = false;
};

/// Objects by kind and name, with one count of versions over all of them, and the changes that a watch may
/// still ask for. What etcd and the watch cache are to the real server.
class Storage {
 public:
  using Objects = std::map<kube::ObjectKey, RevisionPtr>;

  std::uint64_t version() const { return version_; }

  RevisionPtr find(Kind const& kind, kube::ObjectKey const& key) const;
  Objects const& all(Kind const& kind) const;
  /// Gives the object its new resourceVersion.
  RevisionPtr put(Kind const& kind, kube::ObjectKey const& key, boost::json::object object);
  void erase(Kind const& kind, kube::ObjectKey const& key);

  /// Changes of a kind after `version`, oldest first. Precondition: version >= forgotten(kind).
  std::deque<Change> const& changes(Kind const& kind) const;
  /// A watch that begins before this version has missed changes: 410.
  std::uint64_t forgotten() const { return forgotten_; }
  /// Forgets all changes so far: what a restart and a compaction do.
  void forget();

  /// How many changes of a kind are kept: the real watch cache begins with 100.
  static constexpr std::size_t kWindow = 1000;

  /// Hears of each change, after it.
  std::function<void(Kind const&, Change const&)> on_change;

 private:
  struct Collection {
    Objects objects;
    std::deque<Change> changes;
  };
  void note(Collection& collection, Kind const& kind, Change change);

  std::uint64_t version_ = 1;
  std::uint64_t forgotten_ = 0;
  std::map<std::string_view, Collection> collections_;  ///< by plural: no two kinds share one
};

}  // namespace ei::sim
