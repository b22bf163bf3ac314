#include "operator/backend/kube/protocol/owned_fields.hpp"

#include "runtime/core/json.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace ei::kube {
namespace {

namespace json = boost::json;

json::object const* fields_of(json::object const& live, std::string_view field_manager) {
  auto const* metadata = live.if_contains("metadata");
  auto const* entries = metadata ? find_member(*metadata, "managedFields") : nullptr;
  if (entries == nullptr || !entries->is_array()) return nullptr;
  for (auto const& entry : entries->get_array()) {
    if (string_or(entry, "manager") != field_manager || string_or(entry, "operation") != "Apply") continue;
    if (!string_or(entry, "subresource").empty()) continue;
    auto const* fields = find_member(entry, "fieldsV1");
    if (fields != nullptr && fields->is_object()) return &fields->get_object();
  }
  return nullptr;
}

/// True when every member of `key` ({"containerPort":80,"protocol":"TCP"}) is in `item`.
bool has_key(json::value const& item, json::value const& key) {
  if (!item.is_object() || !key.is_object()) return false;
  return std::all_of(key.get_object().begin(), key.get_object().end(), [&](auto const& member) {
    auto const* value = item.get_object().if_contains(member.key());
    return value != nullptr && *value == member.value();
  });
}

json::value extract(json::value const& live, json::object const& fields);

/// `fields` of a list: `k:{…}` names an item by its key members, `v:…` a member of a set.
json::value extract_items(json::array const& live, json::object const& fields) {
  json::array owned;
  // The live order is kept: it is what was applied, and what a drifted order would differ in.
  for (auto const& item : live) {
    for (auto const& [path, inner] : fields) {
      std::string_view const word = path;
      if (word.size() < 2 || word[1] != ':') continue;
      boost::system::error_code failed;
      auto const wanted = json::parse(word.substr(2), failed);
      if (failed) continue;
      if (word[0] == 'v' && item == wanted) owned.push_back(item);
      if (word[0] == 'k' && inner.is_object() && has_key(item, wanted))
        owned.push_back(extract(item, *inner.if_object()));
    }
  }
  return owned;
}

json::object extract_members(json::object const& live, json::object const& fields) {
  json::object owned;
  for (auto const& [path, inner] : fields) {
    std::string_view const word = path;
    if (!word.starts_with("f:") || !inner.is_object()) continue;
    auto const* value = live.if_contains(word.substr(2));
    if (value != nullptr) owned[word.substr(2)] = extract(*value, inner.get_object());
  }
  return owned;
}

json::value extract(json::value const& live, json::object const& fields) {
  // `{}` is a leaf: a scalar, or a list or map that is owned as a whole.
  if (fields.empty()) return live;
  if (live.is_array()) return extract_items(live.get_array(), fields);
  if (live.is_object()) return extract_members(live.get_object(), fields);
  return live;
}

constexpr std::uint64_t kFnvOffset = 14695981039346656037ULL;
constexpr std::uint64_t kFnvPrime = 1099511628211ULL;

void mix_bytes(std::uint64_t& digest, std::string_view bytes) {
  for (char const c : bytes) {
    digest ^= static_cast<unsigned char>(c);
    digest *= kFnvPrime;
  }
}

void mix(std::uint64_t& digest, json::value const& value) {
  if (value.is_object()) {
    std::vector<json::key_value_pair const*> members;
    for (auto const& member : value.get_object()) members.push_back(&member);
    std::sort(members.begin(), members.end(),
              [](auto* left, auto* right) { return left->key() < right->key(); });
    mix_bytes(digest, "{");
    for (auto const* member : members) {
      mix_bytes(digest, json::serialize(member->key()));
      mix(digest, member->value());
    }
    mix_bytes(digest, "}");
  } else if (value.is_array()) {
    mix_bytes(digest, "[");
    for (auto const& item : value.get_array()) mix(digest, item);
    mix_bytes(digest, "]");
  } else {
    mix_bytes(digest, json::serialize(value));
    mix_bytes(digest, ",");
  }
}

/// Without what identifies the object, and without maps that are left empty by that.
json::value without_identity(json::value const& owned) {
  if (!owned.is_object()) return owned;
  json::object rest = owned.get_object();
  rest.erase("apiVersion");
  rest.erase("kind");
  auto* metadata = rest.if_contains("metadata");
  if (metadata != nullptr && metadata->is_object()) {
    metadata->get_object().erase("name");
    metadata->get_object().erase("namespace");
    if (metadata->get_object().empty()) rest.erase("metadata");
  }
  return rest;
}

}  // namespace

json::value extract_owned(json::object const& live, std::string_view field_manager) {
  auto const* fields = fields_of(live, field_manager);
  if (fields == nullptr) return nullptr;
  return extract_members(live, *fields);
}

std::uint64_t owned_digest(json::value const& owned) {
  std::uint64_t digest = kFnvOffset;
  mix(digest, without_identity(owned));
  // 0 is kept for "owns nothing".
  return digest == 0 ? 1 : digest;
}

}  // namespace ei::kube
