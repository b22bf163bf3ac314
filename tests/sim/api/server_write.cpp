#include "runtime/core/json.hpp"
#include "tests/sim/api/answers.hpp"
#include "tests/sim/api/members.hpp"
#include "tests/sim/api/server.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <utility>

// ApiServer's writes: each makes the object as it shall be, and store() does the rest.
namespace ei::sim {
namespace {

namespace json = boost::json;

http::Response answer(int status, std::string body) {
  http::Response made;
  made.status = status;
  made.headers.set("Content-Type", "application/json");
  made.body = std::move(body);
  return made;
}

std::string manager_of(Route const& route) {
  auto name = route.parameter("fieldManager");
  return name.empty() ? "unknown" : name;
}

Result<json::object> body_of(http::Request const& request) {
  auto body = parse_json(request.body);
  if (!body) return body.error();
  if (!body->is_object()) return make_error(ErrorKind::Invalid, "the body is no object");
  return std::move(body->get_object());
}

http::Response unreadable(Error const& error) {
  return failure(400, "BadRequest", error.message);
}

/// RFC 7396.
void merge_patch(json::object& target, json::object const& patch) {
  for (auto const& [name, value] : patch) {
    if (value.is_null()) {
      target.erase(name);
    } else if (value.is_object()) {
      auto& place = target[name];
      if (!place.is_object()) place = json::object{};
      merge_patch(place.get_object(), value.get_object());
    } else {
      target[name] = value;
    }
  }
}

bool is_content(std::string_view name) {
  return name != "metadata" && name != "status";
}

/// Whether all but what names the object and its status is equal: what `generation` counts.
bool same_content(json::object const& left, json::object const& right) {
  auto const count = [](json::object const& object) {
    return std::count_if(object.begin(), object.end(),
                         [](auto const& each) { return is_content(each.key()); });
  };
  return count(left) == count(right) && std::all_of(left.begin(), left.end(), [&](auto const& each) {
           if (!is_content(each.key())) return true;
           auto const* other = right.if_contains(each.key());
           return other != nullptr && *other == each.value();
         });
}

void set_default(json::object& object, std::string_view name, json::value const& value) {
  if (!object.contains(name)) object[name] = value;
}

/// Some of the fields that the server adds: nobody has applied them, and no digest may count them.
void add_defaults(Kind const& kind, json::object& object) {
  auto* spec = object.if_contains("spec");
  if (spec == nullptr || !spec->is_object()) return;
  if (kind.type == kube::kDeployments) {
    set_default(spec->get_object(), "progressDeadlineSeconds", 600);
    auto* pod = spec->get_object().if_contains("template");
    if (pod == nullptr || !pod->is_object()) return;
    auto* pod_spec = pod->get_object().if_contains("spec");
    if (pod_spec == nullptr || !pod_spec->is_object()) return;
    set_default(pod_spec->get_object(), "restartPolicy", "Always");
    set_default(pod_spec->get_object(), "dnsPolicy", "ClusterFirst");
  } else if (kind.type == kube::kServices) {
    set_default(spec->get_object(), "sessionAffinity", "None");
    set_default(spec->get_object(), "clusterIP", "10.96.0.1");
  }
}

/// Why the object may not be; empty when it may.
std::string fault_of(Kind const& kind, RevisionPtr const& before, json::object const& next) {
  if (kind.type != kube::kDeployments) return {};
  auto const* selector = member_of(next, "spec.selector");
  if (selector == nullptr) return "spec.selector: Required value";
  if (before != nullptr && *member_of(before->object, "spec.selector") != *selector)
    return "spec.selector: Invalid value: field is immutable";
  auto const* replicas = member_of(next, "spec.replicas");
  if (replicas != nullptr && replicas->is_int64() && replicas->get_int64() < 0)
    return "spec.replicas: Invalid value: must be greater than or equal to 0";
  return {};
}

}  // namespace

http::Response ApiServer::post(Route const& route, http::Request const& request, WallTime now) {
  auto body = body_of(request);
  if (!body) return unreadable(body.error());
  kube::ObjectKey const key{route.key.namespace_name, text_of(*body, "metadata.name")};
  if (key.name.empty())
    return invalid(*route.kind, "", "metadata.name: Required value: name or generateName is required");
  if (storage_.find(*route.kind, key) != nullptr) return already_exists(*route.kind, key.name);
  if (!text_of(*body, "metadata.resourceVersion").empty())  // the real one knows no reason either
    return failure(500, "", "resourceVersion should not be set on objects to be created");
  auto owned = Ownership{};
  Manager const manager{manager_of(route), "", false};
  return store({*route.kind, key, manager, now}, nullptr, std::move(*body), &owned, 201);
}

http::Response ApiServer::replace(Route const& route, http::Request const& request, WallTime now) {
  auto body = body_of(request);
  if (!body) return unreadable(body.error());
  auto const before = storage_.find(*route.kind, route.key);
  Write const write{*route.kind, route.key, {manager_of(route), route.subresource, false}, now};
  auto owned = before == nullptr ? Ownership{} : Ownership::of(before->object);
  auto const version = text_of(*body, "metadata.resourceVersion");
  if (before == nullptr && route.kind->create_on_update && version.empty())
    return store(write, nullptr, std::move(*body), &owned, 201);
  if (before == nullptr) return not_found(*route.kind, route.key.name);
  if (version.empty() && !route.kind->unguarded_update)
    return invalid(*route.kind, route.key.name,
                   "metadata.resourceVersion: Invalid value: 0: must be specified for an update");
  if (!version.empty() && version != std::to_string(before->version))
    return conflict(
        *route.kind, route.key.name,
        "the object has been modified; please apply your changes to the latest version and try again");
  return store(write, before, std::move(*body), &owned, 200);
}

http::Response ApiServer::patch(Route const& route, http::Request const& request, WallTime now) {
  auto const type = http::media_type(request.headers.get("Content-Type").value_or(""));
  if (type == "application/json-patch+json" && route.subresource == "scale")
    return patch_scale_tested(route, request.body, now);
  auto body = body_of(request);
  if (!body) return unreadable(body.error());
  if (type == "application/apply-patch+yaml") return apply(route, std::move(*body), now);
  if (type != "application/merge-patch+json")
    return failure(415, "UnsupportedMediaType", "the body of the request was in an unknown format");
  auto const before = storage_.find(*route.kind, route.key);
  if (before == nullptr) return not_found(*route.kind, route.key.name);
  auto const version = text_of(*body, "metadata.resourceVersion");
  if (!version.empty() && version != std::to_string(before->version))
    return conflict(*route.kind, route.key.name, "the object has been modified");
  if (route.subresource == "scale") return patch_scale(route, *body, now);
  auto next = before->object;
  merge_patch(next, *body);
  auto owned = Ownership::of(before->object);
  Write const write{*route.kind, route.key, {manager_of(route), route.subresource, false}, now};
  return store(write, before, std::move(next), &owned, 200);
}

http::Response ApiServer::patch_scale(Route const& route, json::object const& patch, WallTime now) {
  auto const* replicas = member_of(patch, "spec.replicas");
  if (!route.kind->has_scale || replicas == nullptr || !replicas->is_int64())
    return failure(404, "NotFound", "the server could not find the requested resource");
  auto const before = storage_.find(*route.kind, route.key);
  auto next = before->object;
  next["spec"].as_object()["replicas"] = *replicas;
  auto owned = Ownership::of(before->object);
  Write const write{*route.kind, route.key, {manager_of(route), "scale", false}, now};
  auto const written = store(write, before, std::move(next), &owned, 200);
  return written.status == 200 ? get(route) : written;
}

http::Response ApiServer::patch_scale_tested(Route const& route, std::string const& patch, WallTime now) {
  auto const scale = get(route);
  if (scale.status != 200) return scale;
  auto next = json::parse(scale.body);
  auto const steps = json::parse(patch);
  for (auto const& step : steps.as_array()) {
    boost::system::error_code missing;
    auto const path = std::string(string_or(step, "path"));
    auto* const place = next.find_pointer(path, missing);
    auto const& value = step.at("value");
    bool const tests = string_or(step, "op") == "test";
    if (place == nullptr || (tests && *place != value))
      return failure(422, "Invalid", "testing path " + path + " failed");
    if (!tests) *place = value;
  }
  return patch_scale(route, next.as_object(), now);
}

http::Response ApiServer::apply(Route const& route, json::object applied, WallTime now) {
  auto const& kind = *route.kind;
  if (route.parameter("fieldManager").empty())
    return failure(422, "Invalid",
                   "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for "
                   "apply patch");
  auto const before = storage_.find(kind, route.key);
  if (before == nullptr && !route.subresource.empty()) return not_found(kind, route.key.name);
  auto const uid = text_of(applied, "metadata.uid");
  auto const version = text_of(applied, "metadata.resourceVersion");
  if (before == nullptr && (!uid.empty() || !version.empty()))
    return uid.empty() ? not_found(kind, route.key.name)
                       : conflict(kind, route.key.name,
                                  "uid mismatch: the provided object specified uid " + uid +
                                      ", and no existing object was found");
  if (before != nullptr && !uid.empty() && uid != text_of(before->object, "metadata.uid"))
    return invalid(kind, route.key.name, "metadata.uid: Invalid value: \"" + uid + "\": field is immutable");
  if (before != nullptr && !version.empty() && version != std::to_string(before->version))
    return conflict(kind, route.key.name, "the object has been modified");
  bool const status = route.subresource == "status";
  if (kind.has_status && !status) applied.erase("status");
  if (status) {
    for (auto const& name : {"spec", "data"}) applied.erase(name);
  }
  Manager const manager{manager_of(route), route.subresource, true};
  auto owned = before == nullptr ? Ownership{} : Ownership::of(before->object);
  json::object next = before == nullptr
                          ? json::object{{"apiVersion", applied["apiVersion"]}, {"kind", applied["kind"]}}
                          : before->object;
  auto const conflicts = owned.apply(next, applied, manager, route.is_set("force"));
  if (!conflicts.empty()) {
    auto const& first = conflicts.front();
    return failure(409, "Conflict",
                   "Apply failed with " + std::to_string(first.paths.size()) + " conflict: conflict with \"" +
                       first.manager + "\": ." + first.paths.front());
  }
  return store({kind, route.key, manager, now}, before, std::move(next), &owned,
               before == nullptr ? 201 : 200);
}

void ApiServer::complete(Write const& write, RevisionPtr const& before, json::object& next) {
  auto const& kind = write.kind;
  auto& metadata = next["metadata"];
  if (!metadata.is_object()) metadata = json::object{};
  auto& meta = metadata.get_object();
  meta["name"] = write.key.name;
  meta["namespace"] = write.key.namespace_name;
  auto const keep = [&](std::string_view name) {
    auto const* old = before->object.at("metadata").as_object().if_contains(name);
    if (old != nullptr) meta[name] = *old;
    if (old == nullptr) meta.erase(name);
  };
  if (before == nullptr) {
    meta["uid"] = next_uid();
    meta["creationTimestamp"] = format_rfc3339_seconds(write.now);
    meta["generation"] = 1;
    if (kind.has_status) next.erase("status");
  } else {
    for (auto const* name : {"uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp",
                             "deletionGracePeriodSeconds"})
      keep(name);
    bool const status = write.manager.subresource == "status";
    if (kind.has_status && !status) {
      next.erase("status");
      if (auto const* old = before->object.if_contains("status")) next["status"] = *old;
    }
    if (status) {
      auto only = before->object;
      if (auto const* now = next.if_contains("status")) only["status"] = *now;
      next = std::move(only);
    }
  }
  add_defaults(kind, next);
}

http::Response ApiServer::store(Write const& write, RevisionPtr const& before, json::object next,
                                Ownership* owned, int status) {
  complete(write, before, next);
  if (auto const fault = fault_of(write.kind, before, next); !fault.empty())
    return invalid(write.kind, write.key.name, fault);
  if (before != nullptr && !same_content(before->object, next)) {
    auto& generation = next["metadata"].as_object()["generation"];
    generation = generation.as_int64() + 1;
  }
  if (write.kind.owned_fields && owned != nullptr) {
    json::object const nothing{{"metadata", json::object{}}};
    if (!write.manager.applies)
      owned->update(before == nullptr ? nothing : before->object, next, write.manager);
    std::move(*owned).write(next, format_rfc3339_seconds(write.now));
  }
  if (before != nullptr && before->object == next) return answer(status, before->text);
  auto const* finalizers = member_of(next, "metadata.finalizers");
  bool const held = finalizers != nullptr && finalizers->is_array() && !finalizers->get_array().empty();
  bool const leaving = next["metadata"].as_object().contains("deletionTimestamp") && !write.kind.graceful;
  auto const stored = storage_.put(write.kind, write.key, std::move(next));
  if (leaving && !held) storage_.erase(write.kind, write.key);
  return answer(status, stored->text);
}

bool ApiServer::edit(kube::ResourceType const& type, kube::ObjectKey const& key, WallTime now,
                     Edit const& edit) {
  auto const& kind = kind_of(type);
  auto const before = storage_.find(kind, key);
  if (before == nullptr) return false;
  auto next = before->object;
  edit(next);
  if (next == before->object) return true;
  bool const status = same_content(before->object, next);
  if (!status) {
    auto& generation = next["metadata"].as_object()["generation"];
    generation = generation.as_int64() + 1;
  }
  if (kind.owned_fields) {
    auto owned = Ownership::of(before->object);
    owned.update(before->object, next, {"controller", status ? "status" : "", false});
    std::move(owned).write(next, format_rfc3339_seconds(now));
  }
  auto const* finalizers = member_of(next, "metadata.finalizers");
  bool const held = finalizers != nullptr && finalizers->is_array() && !finalizers->get_array().empty();
  bool const leaving = next["metadata"].as_object().contains("deletionTimestamp") && !kind.graceful;
  storage_.put(kind, key, std::move(next));
  if (leaving && !held) storage_.erase(kind, key);
  return true;
}

void ApiServer::create(kube::ResourceType const& type, json::object object, WallTime now) {
  auto const& kind = kind_of(type);
  kube::ObjectKey const key{text_of(object, "metadata.namespace"), text_of(object, "metadata.name")};
  auto status = object.if_contains("status") != nullptr ? object["status"] : json::value();
  auto owned = Ownership{};
  store({kind, key, {"controller", "", false}, now}, nullptr, std::move(object), &owned, 201);
  if (!status.is_null()) edit(type, key, now, [&](json::object& made) { made["status"] = status; });
}

}  // namespace ei::sim
