#pragma once

#include "operator/backend/kube/protocol/object_labels.hpp"
#include "operator/backend/kube/protocol/resource.hpp"
#include "runtime/core/result.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace ei::kube {

/// What the cache keeps of an object: its identity, and of its content only what a reader asked for.
struct CachedObject {
  ObjectKey key;
  std::string uid;
  std::string resource_version;
  std::int64_t generation = 0;
  bool deleting = false;           ///< has a deletionTimestamp
  std::string owner_uid;           ///< of its controlling owner; empty without one
  Labels labels;                   ///< ordered by key
  std::uint64_t owned_digest = 0;  ///< of the fields our field manager owns; 0 when it owns none
  boost::json::value content;      ///< what the collection's Keep function left

  bool operator==(CachedObject const&) const = default;
};

/// Reads metadata, without `content` and `owned_digest`, and of the labels those in `keep_labels`.
/// Errors: Protocol when a name is missing.
Result<CachedObject> read_identity(boost::json::value const& object,
                                   std::vector<std::string_view> const& keep_labels = {});

/// A collection's objects by namespace and name, with one index: the values of one label.
/// A full listing is gathered in a stage and swapped in whole, so readers never see half of one.
class Store {
 public:
  /// `index_label` groups objects for by_index(); empty for none.
  explicit Store(std::string index_label = {}) : index_label_(std::move(index_label)) {}

  /// Hears of an object that appeared (no `before`), changed or went away (no `after`).
  using OnChange =
      std::function<void(ObjectKey const& key, CachedObject const* before, CachedObject const* after)>;

  void restage() { stage_.clear(); }
  void stage(CachedObject object);
  void unstage(ObjectKey const& key);
  /// Swaps the stage in, then tells what differs from before.
  void commit(OnChange const& on_change);

  /// False when this version or a newer one is there already: a write's answer may overtake the watch.
  bool put(CachedObject object);
  /// The same for a write's answer, which the watch may have overtaken as well: false also for an object that
  /// was removed since.
  bool learn(CachedObject object);
  /// `resource_version` is the removal's own.
  bool remove(ObjectKey const& key, std::string resource_version);

  /// The pointers hold until the next change.
  CachedObject const* find(ObjectKey const& key) const;
  /// Those of the namespace whose index label has this value, in order of names.
  std::vector<CachedObject const*> by_index(std::string const& namespace_name,
                                            std::string const& value) const;

  std::size_t size() const { return objects_.size(); }

 private:
  void add_to_index(CachedObject const& object);
  void drop_from_index(CachedObject const& object);

  std::string index_label_;
  struct ByKey {
    using is_transparent = void;
    bool operator()(CachedObject const& left, CachedObject const& right) const {
      return left.key < right.key;
    }
    bool operator()(CachedObject const& left, ObjectKey const& right) const { return left.key < right; }
    bool operator()(ObjectKey const& left, CachedObject const& right) const { return left < right.key; }
  };
  using Objects = std::set<CachedObject, ByKey>;

  Objects objects_;
  Objects stage_;
  /// Of the newest removal. A watch tells of changes in their order: an older
  /// object that is not here is gone.
  std::string removed_at_;
  /// (namespace, label value) → objects; the pointers are stable, the set's nodes do not move.
  std::map<ObjectKey, std::vector<CachedObject const*>> index_;
};

}  // namespace ei::kube
