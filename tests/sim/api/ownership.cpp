#include "tests/sim/api/ownership.hpp"

#include "tests/sim/api/members.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <utility>

namespace ei::sim {
namespace {

namespace json = boost::json;

/// The members of `object` that `other` lacks or has with another value.
json::object differing(json::object const& object, json::object const& other) {
  json::object rest;
  for (auto const& [name, value] : object) {
    auto const* same = other.if_contains(name);
    if (same == nullptr || *same != value) rest[name] = value;
  }
  return rest;
}

}  // namespace

Ownership Ownership::of(json::object const& object) {
  Ownership owned;
  auto const* entries = member_of(object, "metadata.managedFields");
  if (entries == nullptr || !entries->is_array()) return owned;
  for (auto const& each : entries->get_array()) {
    Entry read;
    read.manager = {std::string(string_or(each, "manager")), std::string(string_or(each, "subresource")),
                    string_or(each, "operation") == "Apply"};
    if (auto const* fields = find_member(each, "fieldsV1")) read.fields = fields->as_object();
    read.time = string_or(each, "time");
    owned.entries_.push_back(std::move(read));
  }
  return owned;
}

Ownership::Entry& Ownership::entry(Manager const& manager) {
  auto const found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](Entry const& each) { return each.manager == manager; });
  if (found != entries_.end()) return *found;
  entries_.push_back({manager, {}, {}});
  return entries_.back();
}

void Ownership::drop_empty() {
  std::erase_if(entries_, [](Entry const& each) { return each.fields.empty(); });
}

std::vector<FieldConflict> Ownership::apply(json::object& live, json::object const& applied,
                                            Manager const& manager, bool force) {
  auto const wanted = fields_of(applied);
  auto merged = live;
  merge_into(merged, applied);
  auto const changes = intersect(changed_fields(live, merged), wanted);
  std::vector<FieldConflict> conflicts;
  for (auto const& each : entries_) {
    if (each.manager == manager) continue;
    auto const lost = intersect(each.fields, changes);
    if (!lost.empty()) conflicts.push_back({each.manager.name, paths_of(lost)});
  }
  if (!conflicts.empty() && !force) return conflicts;

  auto const before = entry(manager).fields;
  auto gone = subtract(before, wanted);
  for (auto& each : entries_) {
    if (each.manager == manager) continue;
    gone = subtract(gone, each.fields);
    auto kept = subtract(each.fields, changes);
    if (kept == each.fields) continue;
    each.fields = std::move(kept);
    each.time.clear();
  }
  remove_fields(merged, gone);
  auto& own = entry(manager);
  if (own.fields != wanted) own.time.clear();
  own.fields = wanted;
  live = std::move(merged);
  drop_empty();
  return {};
}

void Ownership::update(json::object const& before, json::object const& now, Manager const& manager) {
  auto const old = differing(before, now);
  auto const next = differing(now, before);
  auto const changes = changed_fields(old, next);
  auto const gone = subtract(fields_of(old), fields_of(next));
  auto const touched = unite(changes, gone);
  if (touched.empty()) return;
  for (auto& each : entries_) {
    auto kept = subtract(each.fields, touched);
    if (kept == each.fields) continue;
    each.fields = std::move(kept);
    each.time.clear();
  }
  auto& own = entry(manager);
  own.fields = unite(own.fields, changes);
  own.time.clear();
  drop_empty();
}

void Ownership::write(json::object& object, std::string const& time) && {
  json::array list;
  for (auto& each : entries_) {
    json::object shown{{"manager", each.manager.name},
                       {"operation", each.manager.applies ? "Apply" : "Update"},
                       {"apiVersion", object.at("apiVersion")},
                       {"time", each.time.empty() ? time : each.time},
                       {"fieldsType", "FieldsV1"}};
    shown["fieldsV1"] = std::move(each.fields);
    if (!each.manager.subresource.empty()) shown["subresource"] = each.manager.subresource;
    list.push_back(std::move(shown));
  }
  object["metadata"].as_object()["managedFields"] = std::move(list);
}

}  // namespace ei::sim
