#include "operator/backend/kube/protocol/rival.hpp"

#include "runtime/core/json.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>
#include <array>
#include <vector>

namespace ei::kube {
namespace {

namespace json = boost::json;

/// One step into an object: a member, or an item of a list.
struct Part {
  std::string name;                   ///< of the member; of an item what people call it by
  json::value const* item = nullptr;  ///< in the live object, where it is there
  bool is_item = false;
};
using Path = std::vector<Part>;

std::string to_string(Path const& path) {
  std::string text;
  for (auto const& part : path) {
    if (part.is_item) {
      text += "[" + part.name + "]";
    } else {
      text += (text.empty() ? "" : ".") + part.name;
    }
  }
  return text;
}

bool is_identity(Path const& path, std::string_view member) {
  if (path.empty()) return member == "apiVersion" || member == "kind";
  return path.size() == 1 && path[0].name == "metadata" && (member == "name" || member == "namespace");
}

/// By which member items of the lists that we apply are told apart (their x-kubernetes-list-map-keys).
constexpr std::array<std::string_view, 6> kItemNames = {"name",      "containerPort", "port",
                                                        "mountPath", "topologyKey",   "uid"};

/// The item of `list` that `item` is; where nothing tells it, the one at its place.
json::value const* same_item(json::array const& list, json::value const& item, std::size_t place,
                             std::string& name) {
  for (auto const key : kItemNames) {
    auto const* wanted = item.is_object() ? item.get_object().if_contains(key) : nullptr;
    if (wanted == nullptr) continue;
    name = wanted->is_string() ? std::string(wanted->get_string()) : json::serialize(*wanted);
    for (auto const& each : list) {
      auto const* found = each.is_object() ? each.get_object().if_contains(key) : nullptr;
      if (found != nullptr && *found == *wanted) return &each;
    }
    return nullptr;
  }
  name = std::to_string(place);
  return place < list.size() ? &list[place] : nullptr;
}

void compare(json::value const& applied, json::value const* live, Path const& path, std::vector<Path>& found);

void compare_items(json::array const& applied, json::array const& live, Path const& path,
                   std::vector<Path>& found) {
  if (applied.size() != live.size()) found.push_back(path);
  for (std::size_t i = 0; i < applied.size(); ++i) {
    auto next = path;
    next.push_back({{}, nullptr, true});
    auto const* item = same_item(live, applied[i], i, next.back().name);
    next.back().item = item;
    compare(applied[i], item, next, found);
  }
}

/// Adds the paths at which `live` is not as it was applied; what is there besides does not count.
void compare(json::value const& applied, json::value const* live, Path const& path,
             std::vector<Path>& found) {
  if (live == nullptr || live->kind() != applied.kind()) {
    bool const same_number = live != nullptr && live->is_number() && applied.is_number() && *live == applied;
    if (!same_number) found.push_back(path);
  } else if (applied.is_object()) {
    for (auto const& [member, value] : applied.get_object()) {
      if (is_identity(path, member)) continue;
      auto next = path;
      next.push_back({std::string(member), nullptr, false});
      compare(value, live->get_object().if_contains(member), next, found);
    }
  } else if (applied.is_array()) {
    compare_items(applied.get_array(), live->get_array(), path, found);
  } else if (*live != applied) {
    found.push_back(path);
  }
}

bool has_key(json::value const* item, json::value const& key) {
  if (item == nullptr || !item->is_object() || !key.is_object()) return false;
  return std::all_of(key.get_object().begin(), key.get_object().end(), [&](auto const& member) {
    auto const* value = item->get_object().if_contains(member.key());
    return value != nullptr && *value == member.value();
  });
}

/// The fields within one item of a list, or null.
json::value const* fields_of_item(json::object const& fields, json::value const* item) {
  for (auto const& [path, inner] : fields) {
    if (!path.starts_with("k:")) continue;
    boost::system::error_code failed;
    auto const key = json::parse(path.substr(2), failed);
    if (!failed && has_key(item, key)) return &inner;
  }
  return nullptr;
}

/// Whether fieldsV1 name the path, or something above it as a whole.
bool owns(json::value const* fields, Path const& path) {
  for (auto const& part : path) {
    if (fields == nullptr || !fields->is_object()) return false;
    auto const& here = fields->get_object();
    // `{}` stands for all that is below; of the object itself for nothing.
    if (here.empty()) return &part != &path.front();
    fields = part.is_item ? fields_of_item(here, part.item) : here.if_contains("f:" + part.name);
  }
  return fields != nullptr;
}

json::array const& managers_of(json::object const& live) {
  static json::array const kNone;
  auto const* metadata = live.if_contains("metadata");
  auto const* entries = metadata ? find_member(*metadata, "managedFields") : nullptr;
  return entries != nullptr && entries->is_array() ? entries->get_array() : kNone;
}

/// Whom the API server saw last, other than us and than those who write nothing but a status.
std::string newest_other(json::array const& managers, std::string_view field_manager) {
  std::string_view newest;
  std::string_view when;
  for (auto const& entry : managers) {
    auto const time = string_or(entry, "time");
    if (string_or(entry, "manager") == field_manager || string_or(entry, "subresource") == "status") continue;
    if (newest.empty() || time > when) {
      newest = string_or(entry, "manager");
      when = time;
    }
  }
  return std::string(newest);
}

}  // namespace

Rival find_rival(json::object const& applied, json::object const& live, std::string_view field_manager) {
  std::vector<Path> differences;
  json::value const whole = live;
  compare(applied, &whole, {}, differences);
  // A digest of all the rest says less than what differs in it.
  std::stable_partition(differences.begin(), differences.end(), [](Path const& path) {
    return std::none_of(path.begin(), path.end(),
                        [](Part const& part) { return part.name == "annotations"; });
  });
  auto const& managers = managers_of(whole.get_object());
  for (auto const& path : differences) {
    for (auto const& entry : managers) {
      auto const manager = string_or(entry, "manager");
      if (manager == field_manager || !owns(find_member(entry, "fieldsV1"), path)) continue;
      return {std::string(manager), to_string(path)};
    }
  }
  // Its own fields, with other values than it applied: somebody else goes by its name.
  for (auto const& path : differences) {
    for (auto const& entry : managers) {
      if (string_or(entry, "manager") == field_manager && owns(find_member(entry, "fieldsV1"), path))
        return {std::string(field_manager), to_string(path)};
    }
  }
  return {newest_other(managers, field_manager), differences.empty() ? "" : to_string(differences.front())};
}

std::string to_string(Rival const& rival, std::string_view child, std::string_view field_manager) {
  std::string text(child);
  text += " is changed back again and again";
  if (rival.manager == field_manager) {
    text += ": another operator, under the same field manager " + rival.manager + ", sets " + rival.field +
            " otherwise. Let only one release watch this namespace";
  } else if (!rival.manager.empty()) {
    text += ": the field manager \"" + rival.manager + "\" " +
            (rival.field.empty() ? "writes it" : "sets " + rival.field) +
            ". Remove this field from what it writes, or exclude this object there";
  } else if (!rival.field.empty()) {
    text += ": " + rival.field +
            " differs from what was applied, and no field manager is recorded for the change";
  }
  return text.append(". It is put right ").append(kWrittenAgain);
}

}  // namespace ei::kube
