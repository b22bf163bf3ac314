#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace ei::sim {

/// Paths of an object's fields in the form of managedFields' fieldsV1: `f:NAME` members, `k:{…}` items by
/// their keys, `v:…` members of a set, `.` the item itself; `{}` is a leaf.
using Fields = boost::json::object;

/// Every field of `object`, but for those that no manager owns: what names it, and what the server writes.
Fields fields_of(boost::json::object const& object);

/// The fields of `now` that `before` lacks or has with another value.
Fields changed_fields(boost::json::object const& before, boost::json::object const& now);

Fields unite(Fields const& left, Fields const& right);
/// What is in `left` and not in `right`.
Fields subtract(Fields const& left, Fields const& right);
Fields intersect(Fields const& left, Fields const& right);

/// `live` without these fields, and without maps and items that are left empty by that.
void remove_fields(boost::json::object& live, Fields const& gone);

/// `live` with what `applied` says: maps member by member, lists by their kind (see merge_of).
void merge_into(boost::json::object& live, boost::json::object const& applied);

/// "spec.replicas", "metadata.labels.app": for messages.
std::vector<std::string> paths_of(Fields const& fields);

}  // namespace ei::sim
