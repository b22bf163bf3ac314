#include "tests/sim/api/fields.hpp"

#include "tests/sim/api/schema.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace ei::sim {
namespace {

namespace json = boost::json;

constexpr std::array kUnowned = {"apiVersion", "kind"};
constexpr std::array kUnownedMetadata = {"name",
                                         "namespace",
                                         "uid",
                                         "resourceVersion",
                                         "generation",
                                         "creationTimestamp",
                                         "managedFields",
                                         "deletionTimestamp",
                                         "deletionGracePeriodSeconds"};

template <class Names>
bool among(Names const& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// `k:{"name":"worker"}`: keys in the order of the alphabet, as the server writes them.
std::string item_path(json::value const& item, std::vector<std::string_view> keys) {
  std::sort(keys.begin(), keys.end());
  json::object key;
  for (auto const name : keys) {
    auto const* value = item.is_object() ? item.get_object().if_contains(name) : nullptr;
    if (value != nullptr) {
      key[name] = *value;
    } else if (name == "protocol") {
      key[name] = "TCP";
    }
  }
  return "k:" + json::serialize(key);
}

std::string set_path(json::value const& item) {
  return "v:" + json::serialize(item);
}

Fields fields_of_map(json::object const& map, bool whole, bool metadata);

json::object fields_of_value(std::string_view name, json::value const& value, bool metadata) {
  auto const merge = merge_of(name, value);
  Fields inner;
  switch (merge.how) {
    case Merge::How::Atomic:
      break;
    case Merge::How::Granular:
      inner = fields_of_map(value.get_object(), false, metadata);
      break;
    case Merge::How::ByKeys:
      for (auto const& item : value.get_array()) {
        if (!item.is_object()) continue;
        auto fields = fields_of_map(item.get_object(), false, false);
        fields["."] = json::object{};
        inner[item_path(item, merge.keys)] = std::move(fields);
      }
      break;
    case Merge::How::Set:
      for (auto const& item : value.get_array()) inner[set_path(item)] = json::object{};
      break;
  }
  return inner;
}

Fields fields_of_map(json::object const& map, bool whole, bool metadata) {
  Fields fields;
  for (auto const& [name, value] : map) {
    if (whole && among(kUnowned, name)) continue;
    if (metadata && among(kUnownedMetadata, name)) continue;
    bool const names_it = whole && name == "metadata";
    auto inner = fields_of_value(name, value, names_it);
    if (names_it && inner.empty()) continue;
    fields["f:" + std::string(name)] = std::move(inner);
  }
  return fields;
}

json::value const* find_item(json::array const& list, std::string_view path,
                             std::vector<std::string_view> const& keys) {
  for (auto const& item : list) {
    if (item_path(item, keys) == path) return &item;
  }
  return nullptr;
}

Fields changed_in_map(json::object const& before, json::object const& now, Fields const& fields);

/// Of `fields`, which are all of `now`'s, those that differ.
Fields changed_in_value(std::string_view name, json::value const* before, json::value const& now,
                        Fields const& fields) {
  if (before == nullptr || before->kind() != now.kind()) return fields;
  auto const merge = merge_of(name, now);
  if (merge.how == Merge::How::Granular)
    return changed_in_map(before->get_object(), now.get_object(), fields);
  Fields changed;
  for (auto const& [path, inner] : fields) {
    if (merge.how == Merge::How::Set) {
      auto const known = [&, &path = path](json::value const& item) { return set_path(item) == path; };
      if (std::none_of(before->get_array().begin(), before->get_array().end(), known)) changed[path] = inner;
      continue;
    }
    auto const* old = find_item(before->get_array(), path, merge.keys);
    auto const* item = find_item(now.get_array(), path, merge.keys);
    auto part = old == nullptr || item == nullptr
                    ? inner.get_object()
                    : changed_in_map(old->get_object(), item->get_object(), inner.get_object());
    if (!part.empty()) changed[path] = std::move(part);
  }
  return changed;
}

Fields changed_in_map(json::object const& before, json::object const& now, Fields const& fields) {
  Fields changed;
  for (auto const& [path, inner] : fields) {
    if (!path.starts_with("f:")) continue;
    auto const name = std::string_view(path).substr(2);
    auto const* value = now.if_contains(name);
    if (value == nullptr) continue;
    auto const* old = before.if_contains(name);
    if (inner.get_object().empty()) {
      if (old == nullptr || *old != *value) changed[path] = inner;
      continue;
    }
    auto part = changed_in_value(name, old, *value, inner.get_object());
    if (!part.empty()) changed[path] = std::move(part);
  }
  return changed;
}

void remove_from_list(json::array& list, Fields const& gone) {
  json::array kept;
  for (auto& item : list) {
    json::object const* part = nullptr;
    for (auto const& [path, inner] : gone) {
      std::string_view const word = path;
      if (word == set_path(item)) part = &inner.get_object();
      if (!word.starts_with("k:") || !item.is_object()) continue;
      boost::system::error_code failed;
      auto const key = json::parse(word.substr(2), failed);
      bool const same =
          !failed && std::all_of(key.get_object().begin(), key.get_object().end(), [&](auto const& member) {
            auto const* value = item.get_object().if_contains(member.key());
            return value != nullptr ? *value == member.value() : member.key() == "protocol";
          });
      if (same) part = &inner.get_object();
    }
    if (part == nullptr) {
      kept.push_back(std::move(item));
    } else if (item.is_object() && !part->contains(".")) {
      remove_fields(item.get_object(), *part);
      kept.push_back(std::move(item));
    }
  }
  list = std::move(kept);
}

void merge_value(std::string_view name, json::value& live, json::value const& applied);

void merge_items(std::vector<std::string_view> const& keys, json::array& live, json::array const& applied) {
  json::array merged;
  for (auto const& item : applied) {
    auto const path = item_path(item, keys);
    auto const* known = find_item(live, path, keys);
    if (known != nullptr && known->is_object() && item.is_object()) {
      json::object both = known->get_object();
      merge_into(both, item.get_object());
      merged.push_back(std::move(both));
    } else {
      merged.push_back(item);
    }
  }
  for (auto const& item : live) {
    if (find_item(applied, item_path(item, keys), keys) == nullptr) merged.push_back(item);
  }
  live = std::move(merged);
}

void merge_value(std::string_view name, json::value& live, json::value const& applied) {
  auto const merge = merge_of(name, applied);
  if (live.kind() != applied.kind() || merge.how == Merge::How::Atomic) {
    live = applied;
  } else if (merge.how == Merge::How::Granular) {
    merge_into(live.get_object(), applied.get_object());
  } else if (merge.how == Merge::How::ByKeys) {
    merge_items(merge.keys, live.get_array(), applied.get_array());
  } else {
    auto& list = live.get_array();
    for (auto const& item : applied.get_array()) {
      if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
    }
  }
}

void add_paths(Fields const& fields, std::string const& prefix, std::vector<std::string>& paths) {
  for (auto const& [path, inner] : fields) {
    auto const word = std::string_view(path);
    if (word == ".") continue;
    auto const name =
        word.starts_with("f:") ? std::string(word.substr(2)) : "[" + std::string(word.substr(2)) + "]";
    auto const whole = prefix.empty() ? name : prefix + (word.starts_with("f:") ? "." : "") + name;
    if (inner.get_object().empty()) {
      paths.push_back(whole);
    } else {
      add_paths(inner.get_object(), whole, paths);
    }
  }
}

}  // namespace

Fields fields_of(json::object const& object) {
  return fields_of_map(object, true, false);
}

Fields changed_fields(json::object const& before, json::object const& now) {
  return changed_in_map(before, now, fields_of(now));
}

Fields unite(Fields const& left, Fields const& right) {
  Fields both = left;
  for (auto const& [path, inner] : right) {
    auto* known = both.if_contains(path);
    if (known == nullptr) {
      both[path] = inner;
    } else {
      *known = unite(known->get_object(), inner.get_object());
    }
  }
  return both;
}

Fields subtract(Fields const& left, Fields const& right) {
  Fields rest;
  for (auto const& [path, inner] : left) {
    auto const* other = right.if_contains(path);
    if (other == nullptr) {
      rest[path] = inner;
    } else if (!inner.get_object().empty()) {
      auto part = subtract(inner.get_object(), other->get_object());
      if (!part.empty()) rest[path] = std::move(part);
    }
  }
  return rest;
}

Fields intersect(Fields const& left, Fields const& right) {
  Fields both;
  for (auto const& [path, inner] : left) {
    auto const* other = right.if_contains(path);
    if (other == nullptr) continue;
    bool const leaf = inner.get_object().empty() || other->get_object().empty();
    auto part = leaf ? Fields{} : intersect(inner.get_object(), other->get_object());
    if (leaf || !part.empty()) both[path] = std::move(part);
  }
  return both;
}

void remove_fields(json::object& live, Fields const& gone) {
  for (auto const& [path, inner] : gone) {
    if (!path.starts_with("f:")) continue;
    auto const name = std::string_view(path).substr(2);
    auto* value = live.if_contains(name);
    if (value == nullptr) continue;
    auto const& part = inner.get_object();
    if (!part.empty() && value->is_object()) remove_fields(value->get_object(), part);
    if (!part.empty() && value->is_array()) remove_from_list(value->get_array(), part);
    bool const empty = (value->is_object() && value->get_object().empty()) ||
                       (value->is_array() && value->get_array().empty());
    if (part.empty() || empty) live.erase(name);
  }
}

void merge_into(json::object& live, json::object const& applied) {
  for (auto const& [name, value] : applied) {
    auto* known = live.if_contains(name);
    if (known == nullptr) {
      live[name] = value;
    } else {
      merge_value(name, *known, value);
    }
  }
}

std::vector<std::string> paths_of(Fields const& fields) {
  std::vector<std::string> paths;
  add_paths(fields, {}, paths);
  return paths;
}

}  // namespace ei::sim
