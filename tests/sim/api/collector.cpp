#include "runtime/core/json.hpp"
#include "tests/sim/api/answers.hpp"
#include "tests/sim/api/members.hpp"
#include "tests/sim/api/server.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <set>
#include <utility>

// ApiServer's removals: what a DELETE begins, and what the garbage collector ends.
namespace ei::sim {
namespace {

namespace json = boost::json;

constexpr std::string_view kForeground = "foregroundDeletion";
constexpr std::string_view kOrphan = "orphan";

bool is_leaving(json::object const& object) {
  return member_of(object, "metadata.deletionTimestamp") != nullptr;
}

json::array const* array_at(json::object const& object, std::string_view path) {
  auto const* value = member_of(object, path);
  return value != nullptr && value->is_array() ? &value->get_array() : nullptr;
}

bool has_finalizer(json::object const& object, std::string_view name) {
  auto const* list = array_at(object, "metadata.finalizers");
  return list != nullptr && std::find(list->begin(), list->end(), json::value(name)) != list->end();
}

void add_finalizer(json::object& object, std::string_view name) {
  if (has_finalizer(object, name)) return;
  auto& list = object["metadata"].as_object()["finalizers"];
  if (!list.is_array()) list = json::array{};
  list.get_array().emplace_back(name);
}

std::vector<std::string> owners_of(json::object const& object) {
  std::vector<std::string> uids;
  auto const* list = array_at(object, "metadata.ownerReferences");
  if (list == nullptr) return uids;
  for (auto const& each : *list) uids.emplace_back(string_or(each, "uid"));
  return uids;
}

/// Whether the end of the owner has to wait for this one.
bool blocks(json::object const& object, std::string_view owner_uid) {
  auto const* list = array_at(object, "metadata.ownerReferences");
  return list != nullptr && std::any_of(list->begin(), list->end(), [&](json::value const& each) {
           auto const* blocking = find_member(each, "blockOwnerDeletion");
           return string_or(each, "uid") == owner_uid && blocking != nullptr && blocking->is_bool() &&
                  blocking->get_bool();
         });
}

std::string uid_of(json::object const& object) {
  return text_of(object, "metadata.uid");
}

}  // namespace

http::Response ApiServer::erase(Route const& route, http::Request const& request, WallTime now) {
  auto const& kind = *route.kind;
  json::object options;
  if (!request.body.empty()) {
    auto body = parse_json(request.body);
    if (!body || !body->is_object()) return failure(400, "BadRequest", "the body is no DeleteOptions");
    options = std::move(body->get_object());
  }
  auto const found = storage_.find(kind, route.key);
  if (found == nullptr) return not_found(kind, route.key.name);
  auto const uid = text_of(options, "preconditions.uid");
  if (!uid.empty() && uid != uid_of(found->object))
    return conflict(kind, route.key.name,
                    "Precondition failed: UID in precondition: " + uid +
                        ", UID in object meta: " + uid_of(found->object));
  auto const version = text_of(options, "preconditions.resourceVersion");
  if (!version.empty() && version != std::to_string(found->version))
    return conflict(kind, route.key.name,
                    "Precondition failed: ResourceVersion in precondition: " + version +
                        ", ResourceVersion in object meta: " + std::to_string(found->version));
  begin_removal(kind, route.key, std::move(options), now);
  auto const left = storage_.find(kind, route.key);
  http::Response answer;
  answer.headers.set("Content-Type", "application/json");
  answer.body = left != nullptr ? left->text
                                : json::serialize(json::object{{"kind", "Status"},
                                                               {"apiVersion", "v1"},
                                                               {"metadata", json::object{}},
                                                               {"status", "Success"}});
  return answer;
}

void ApiServer::begin_removal(Kind const& kind, kube::ObjectKey const& key, json::object options,
                              WallTime now) {
  auto const found = storage_.find(kind, key);
  auto const propagation = text_of(options, "propagationPolicy");
  auto const* asked = options.if_contains("gracePeriodSeconds");
  bool const at_once = asked != nullptr && asked->is_int64() && asked->get_int64() == 0;
  auto const* node = member_of(found->object, "spec.nodeName");
  // A pod that no node has is nobody's to end.
  bool const graceful = kind.graceful && !at_once && node != nullptr;
  auto next = found->object;
  if (propagation == "Foreground") add_finalizer(next, kForeground);
  if (propagation == "Orphan") add_finalizer(next, kOrphan);
  auto const* finalizers = array_at(next, "metadata.finalizers");
  bool const held = finalizers != nullptr && !finalizers->empty();
  if (!held && !graceful) {
    end_removal(kind, key);
    return;
  }
  if (!is_leaving(next)) {
    auto& metadata = next["metadata"].as_object();
    metadata["deletionTimestamp"] = format_rfc3339_seconds(now);
    metadata["deletionGracePeriodSeconds"] = graceful ? 30 : 0;
  }
  if (next != found->object) storage_.put(kind, key, std::move(next));
}

void ApiServer::end_removal(Kind const& kind, kube::ObjectKey const& key) {
  storage_.erase(kind, key);
}

void ApiServer::remove(kube::ResourceType const& type, kube::ObjectKey const& key) {
  end_removal(kind_of(type), key);
}

bool ApiServer::release(Kind const& kind, kube::ObjectKey const& key, std::string_view finalizer,
                        WallTime now) {
  return edit(kind.type, key, now, [&](json::object& object) {
    auto& list = object["metadata"].as_object()["finalizers"].as_array();
    list.erase(std::remove(list.begin(), list.end(), json::value(finalizer)), list.end());
  });
}

void ApiServer::collect(WallTime now) {
  // An owner counts only for dependents in its own namespace.
  std::set<std::string> uids;
  for (auto const& kind : kinds()) {
    for (auto const& [key, revision] : storage_.all(kind))
      uids.insert(key.namespace_name + "/" + uid_of(revision->object));
  }
  for (auto const& kind : kinds()) {
    // What is removed meanwhile is looked for anew.
    std::vector<kube::ObjectKey> keys;
    for (auto const& [key, revision] : storage_.all(kind)) keys.push_back(key);
    for (auto const& key : keys) collect_one(kind, key, uids, now);
  }
}

void ApiServer::collect_one(Kind const& kind, kube::ObjectKey const& key, std::set<std::string> const& uids,
                            WallTime now) {
  auto const found = storage_.find(kind, key);
  if (found == nullptr) return;
  auto const& object = found->object;
  auto const uid = uid_of(object);
  auto const for_dependents = [&](auto const& visit) {
    for (auto const& other : kinds()) {
      auto const objects = storage_.all(other);
      for (auto const& [name, revision] : objects) {
        auto const owners = owners_of(revision->object);
        if (std::find(owners.begin(), owners.end(), uid) != owners.end())
          visit(other, name, revision->object);
      }
    }
  };
  if (is_leaving(object) && has_finalizer(object, kForeground)) {
    bool waits = false;
    for_dependents([&](Kind const& other, kube::ObjectKey const& name, json::object const& dependent) {
      waits = waits || blocks(dependent, uid);
      if (!is_leaving(dependent))
        begin_removal(other, name, json::object{{"propagationPolicy", "Foreground"}}, now);
    });
    if (!waits) release(kind, key, kForeground, now);
    return;
  }
  if (is_leaving(object) && has_finalizer(object, kOrphan)) {
    for_dependents([&](Kind const& other, kube::ObjectKey const& name, json::object const&) {
      edit(other.type, name, now, [&](json::object& dependent) {
        auto& list = dependent["metadata"].as_object()["ownerReferences"].as_array();
        list.erase(std::remove_if(list.begin(), list.end(),
                                  [&](json::value const& each) { return string_or(each, "uid") == uid; }),
                   list.end());
      });
    });
    release(kind, key, kOrphan, now);
    return;
  }
  auto const owners = owners_of(object);
  if (owners.empty() || is_leaving(object)) return;
  bool const owned = std::any_of(owners.begin(), owners.end(), [&](std::string const& owner) {
    return uids.contains(key.namespace_name + "/" + owner);
  });
  if (!owned) begin_removal(kind, key, json::object{}, now);
}

}  // namespace ei::sim
