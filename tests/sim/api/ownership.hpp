#pragma once

#include "tests/sim/api/fields.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <vector>

namespace ei::sim {

/// Who writes, as an entry of managedFields names it.
struct Manager {
  std::string name;
  std::string subresource;
  bool applies = false;

  bool operator==(Manager const&) const = default;
};

/// A field that somebody else holds with another value.
struct FieldConflict {
  std::string manager;
  std::vector<std::string> paths;
};

/// metadata.managedFields of an object, as structured-merge-diff keeps them. Pure.
class Ownership {
 public:
  static Ownership of(boost::json::object const& object);

  /// `applied` over `live`: what server-side apply makes of it. Fields that the manager applied before and
  /// does not now are removed where nobody else holds them. Without `force` conflicts leave all as it is.
  std::vector<FieldConflict> apply(boost::json::object& live, boost::json::object const& applied,
                                   Manager const& manager, bool force);
  /// Any other write, from `before` to `now`: what it changed is the manager's alone.
  void update(boost::json::object const& before, boost::json::object const& now, Manager const& manager);

  /// Puts the entries into `object`; `time` into those that changed.
  void write(boost::json::object& object, std::string const& time) &&;

 private:
  struct Entry {
    Manager manager;
    Fields fields;
    std::string time;  ///< empty: changed now
  };
  Entry& entry(Manager const& manager);
  void drop_empty();

  std::vector<Entry> entries_;
};

}  // namespace ei::sim
