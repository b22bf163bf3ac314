#include "tests/sim/run/checks.hpp"

#include "operator/api/parse.hpp"
#include "operator/backend/kube/children/labels.hpp"
#include "operator/backend/kube/children/pod_template.hpp"
#include "operator/backend/kube/protocol/owned_fields.hpp"
#include "tests/sim/api/members.hpp"
#include "tests/sim/run/names.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace ei::sim {
namespace {

namespace json = boost::json;

// The slowest that may go on by itself: back-offs of a minute, and a cooldown after it. Then nothing moves.
constexpr std::chrono::seconds kSilence{20};
// Three of the longest interval (5 s), an answer's way of as long, and a process that stood still for 25 s.
constexpr std::chrono::seconds kAnswerAge{45};

bool is_news(Route const& route) {
  return route.kind->type == kube::kLeases || route.kind->type == kube::kEvents;
}

api::InferenceService const* parse_of(json::object const& object, api::Parsed& parsed) {
  parsed = api::parse_service(json::value(object), api::UnknownFields::Ignore);
  return parsed.service ? &*parsed.service : nullptr;
}

/// The object that is written; of a JSON patch what it tests and replaces, in its place.
json::object body_of(http::Request const& request) {
  auto const body = json::parse(request.body);
  if (body.is_object()) return body.get_object();
  json::object object;
  for (auto const& step : body.get_array()) {
    auto const path = std::string(string_or(step, "path"));  // "/metadata/uid"
    auto const slash = path.find('/', 1);
    auto& parent = object[path.substr(1, slash - 1)];
    if (!parent.is_object()) parent.emplace_object();
    parent.get_object()[path.substr(slash + 1)] = step.at("value");
  }
  return object;
}

std::string template_of(json::object const& deployment) {
  auto const* annotations = member_of(deployment, "spec.template.metadata.annotations");
  auto const* digest =
      annotations == nullptr ? nullptr : annotations->as_object().if_contains(kube::kTemplateAnnotation);
  return digest == nullptr ? std::string() : std::string(digest->as_string());
}

bool is_true(json::object const& status, std::string_view type) {
  auto const* conditions = status.if_contains("conditions");
  if (conditions == nullptr || !conditions->is_array()) return false;
  auto const& list = conditions->get_array();
  return std::any_of(list.begin(), list.end(), [&](json::value const& each) {
    return string_or(each, "type") == type && string_or(each, "status") == "True";
  });
}

}  // namespace

void Checks::fail(std::string what) {
  if (fault_.empty()) fault_ = std::move(what);
}

void Checks::on_request(Peer const& peer, http::Request const& request, SteadyTime now) {
  auto const route = read_route(request.target);
  if (route && request.method == "GET" && !route->key.name.empty())
    looked_[{peer.name, request.target.substr(0, request.target.find('?'))}] = api_.storage().version();
  if (!route || request.method == "GET" || is_news(*route)) return;
  last_write_ = now;
  last_written_ = request.method + " " + request.target;
  check_writer(peer, request);
  check_foreign(peer, request);
  check_status(peer, request, now);
  check_replicas(peer, request, now);
}

void Checks::on_program(Policies const& programs, reconcile::Decided const& decided, SteadyTime now) {
  auto const& decision = *decided.verdict.decision;
  auto const& settings = decided.settings;
  if (settings.policy != scaling::Policy::Webhook) return;
  auto const service = to_string(decided.seen.metadata.key());
  auto const told = [&](std::int64_t count) {
    return programs.answered(service, count, settings, now - kAnswerAge);
  };
  if (decision.term == scaling::Term::Webhook && decision.reason == scaling::Reason::WebhookAnswered &&
      decision.limit != scaling::Limit::IdleAfter && !told(decision.to))
    fail("a count that no program answered: " + std::to_string(decision.to) + " for " + service);
  bool const held = decision.reason == scaling::Reason::WebhookFailed;
  bool const bounded = decision.limit == scaling::Limit::Minimum || decision.limit == scaling::Limit::Maximum;
  if (held && !bounded && decision.to < decision.from)
    fail("workers left because a program failed: " + std::to_string(decision.to) + " for " + service);
}

void Checks::check_writer(Peer const& peer, http::Request const& request) {
  for (auto const& [key, lease] : api_.storage().all(kind_of(kube::kLeases))) {
    auto const holder = text_of(lease->object, "spec.holderIdentity");
    if (!holder.empty() && holder != peer.identity)
      fail("two writers: " + peer.identity + " wrote in the term of " + holder + ": " + request.method + " " +
           request.target);
  }
}

void Checks::check_foreign(Peer const& peer, http::Request const& request) {
  auto const route = read_route(request.target);
  auto const& kind = *route->kind;
  bool const child = kind.type == kube::kPods || (kind.owned_fields && kind.type != kube::kInferenceServices);
  auto const live = api_.storage().find(kind, route->key);
  if (!child || live == nullptr || is_ours(live->object)) return;
  auto const uid = text_of(live->object, "metadata.uid");
  auto const body = body_of(request);
  for (auto const* path : {"metadata.uid", "preconditions.uid"}) {
    auto const meant = text_of(body, path);
    if (!meant.empty() && meant != uid) return;  // the server refuses it
  }
  // It may have been ours as far as this process knows, or have come since this process looked whether the
  // name is free: no request can ask for that and make the object in one.
  auto const looked = looked_.find({peer.name, request.target.substr(0, request.target.find('?'))});
  auto const known = looked == looked_.end() ? 0 : looked->second;
  auto const held = [&](std::uint64_t from) {
    return knowledge_.states(kind, route->key, from, api_.storage().version());
  };
  for (auto const& state : held(knowledge_.seen(peer.name, kind))) {
    bool const same = state != nullptr && text_of(state->object, "metadata.uid") == uid;
    if (same && is_ours(state->object)) return;
  }
  if (known > 0 && held(known).front() == nullptr) return;
  fail("a foreign object was touched: " + request.method + " " + request.target + ", by " + peer.name);
}

void Checks::check_status(Peer const& peer, http::Request const& request, SteadyTime now) {
  auto const route = read_route(request.target);
  if (route->kind->type != kube::kInferenceServices || route->subresource != "status") return;
  auto const live = api_.storage().find(*route->kind, route->key);
  auto const body = body_of(request);
  if (live == nullptr || text_of(body, "metadata.uid") != text_of(live->object, "metadata.uid")) return;
  auto const told = number_of(body, "status.observedGeneration");
  auto const generation = number_of(live->object, "metadata.generation");
  if (told > generation)
    fail("observedGeneration is ahead: " + std::to_string(told) + " of " + std::to_string(generation));
  auto const* status = member_of(body, "status");
  if (told != generation || status == nullptr || !is_true(status->as_object(), "Ready")) return;
  api::Parsed parsed;
  auto const* service = parse_of(live->object, parsed);
  if (service == nullptr) return;
  for (bool const worker : {false, true}) {
    auto const& name = route->key.name;
    kube::ObjectKey const key{route->key.namespace_name,
                              worker ? kube::worker_name(name) : kube::dispatcher_name(name)};
    auto const wanted = worker ? kube::worker_pod_template(service->metadata, service->spec, children_)
                               : kube::dispatcher_pod_template(service->metadata, service->spec, children_);
    auto const digest = kube::template_digest(wanted);
    // Somebody may have removed it since it was looked at.
    auto const seen = counts_.deployments_seen(peer.name, service->metadata.key(), now);
    auto const states = knowledge_.states(kind_of(kube::kDeployments), key, seen, api_.storage().version());
    bool const held = std::any_of(states.begin(), states.end(), [&](RevisionPtr const& state) {
      return state != nullptr && template_of(state->object) == digest;
    });
    if (!held)
      fail(
          "observedGeneration is ahead of what is true: Ready with "
          "generation " +
          std::to_string(generation) + ", and " + key.name + " has another template");
  }
}

void Checks::check_replicas(Peer const& peer, http::Request const& request, SteadyTime now) {
  auto const route = read_route(request.target);
  if (route->kind->type != kube::kDeployments || !route->key.name.ends_with("-worker")) return;
  auto const live = api_.storage().find(*route->kind, route->key);
  if (live == nullptr || request.body.empty()) return;
  auto const body = body_of(request);
  auto const* count = member_of(body, "spec.replicas");
  if (count == nullptr || !count->is_int64()) return;
  auto name = route->key.name.substr(0, route->key.name.size() - std::string_view("-worker").size());
  auto const found = counts_.on_write(peer.name, {route->key.namespace_name, std::move(name)},
                                      number_of(live->object, "spec.replicas", 1), count->get_int64(), now);
  if (!found.empty()) fail(found);
}

void Checks::check_children(WallTime wall) {
  std::set<std::string> uids;
  for (auto const& kind : kinds()) {
    for (auto const& [key, object] : api_.storage().all(kind))
      uids.insert(text_of(object->object, "metadata.uid"));
  }
  std::set<std::string> faulty;  // services whose newest spec is not valid, by uid
  std::set<std::pair<std::string_view, kube::ObjectKey>> expected;
  for (auto const& [key, object] : api_.storage().all(kind_of(kube::kInferenceServices))) {
    auto const generation = number_of(object->object, "metadata.generation");
    if (number_of(object->object, "status.observedGeneration") != generation)
      fail("no convergence: observedGeneration of " + key.name + " is not " + std::to_string(generation));
    api::Parsed parsed;
    auto const* service = parse_of(object->object, parsed);
    auto const workers =
        api_.storage().find(kind_of(kube::kDeployments), {key.namespace_name, kube::worker_name(key.name)});
    if (service == nullptr) {
      faulty.insert(text_of(object->object, "metadata.uid"));
      continue;
    }
    if (workers == nullptr) {
      fail("no convergence: " + key.name + " has no workers");
      continue;
    }
    auto const replicas = static_cast<int>(number_of(workers->object, "spec.replicas"));
    auto children = kube::dispatcher_children(service->metadata, service->spec,
                                              service->spec.dispatcher.replicas, children_);
    auto more = kube::worker_children(service->metadata, service->spec, replicas, children_);
    std::move(more.begin(), more.end(), std::back_inserter(children));
    auto const& spec = service->spec;
    auto const settings = schedule::in_force(spec.scaling, spec.schedule, wall).settings;
    bool const external = settings.policy == scaling::Policy::External;
    auto const least =
        external ? std::clamp(settings.external_replicas, settings.min_replicas, settings.max_replicas)
                 : settings.min_replicas;
    auto const most = external ? least : settings.max_replicas;
    if (replicas < least || replicas > most)
      fail("no convergence: " + std::to_string(replicas) + " replicas are outside of [" +
           std::to_string(least) + ", " + std::to_string(most) + "]");
    for (auto const& child : children) {
      kube::ObjectKey const name{key.namespace_name, child.name()};
      expected.emplace(child.type.plural, name);
      auto const live = api_.storage().find(kind_of(child.type), name);
      if (live == nullptr) {
        fail("no convergence: " + std::string(child.type.kind) + " " + name.name + " is missing");
        continue;
      }
      auto const owned = kube::extract_owned(live->object, kManager);
      if (kube::owned_digest(owned) != kube::owned_digest(child.object))
        fail("no convergence: " + std::string(child.type.kind) + " " + name.name +
             " is not as it shall be: " + json::serialize(owned) + " for " + json::serialize(child.object));
    }
    expected.emplace(kube::kConfigMaps.plural,
                     kube::ObjectKey{key.namespace_name, kube::keys_name(key.name)});
  }
  for (auto const& kind : kinds()) {
    for (auto const& [key, object] : api_.storage().all(kind)) {
      auto const* owners = member_of(object->object, "metadata.ownerReferences");
      bool const child = owners != nullptr && owners->is_array() && !owners->get_array().empty();
      if (!child) continue;
      auto const owner = std::string(string_or(owners->get_array().front(), "uid"));
      auto const name = std::string(kind.type.kind) + " " + key.name;
      if (!uids.contains(owner)) fail("orphan: " + name);
      bool const ours = string_or(owners->get_array().front(), "kind") == api::kKind;
      // Of a service whose spec is not valid the children stay as they were.
      if (ours && kind.owned_fields && !faulty.contains(owner) && !expected.contains({kind.type.plural, key}))
        fail("duplicate: nobody asked for " + name);
    }
  }
}

void Checks::check_sleep(Load const& load, WallTime wall) {
  for (auto const& [key, object] : api_.storage().all(kind_of(kube::kInferenceServices))) {
    api::Parsed parsed;
    auto const* service = parse_of(object->object, parsed);
    auto const workers =
        api_.storage().find(kind_of(kube::kDeployments), {key.namespace_name, kube::worker_name(key.name)});
    if (service == nullptr || workers == nullptr) continue;
    auto const& spec = service->spec;
    auto const settings = schedule::in_force(spec.scaling, spec.schedule, wall).settings;
    if (settings.policy == scaling::Policy::External) continue;  // its owner may want no worker at all
    if (load.unanswered(key.name) > 0) fail("nobody served the request that came to " + key.name);
    auto const replicas = number_of(workers->object, "spec.replicas");
    if (settings.min_replicas == 0 && replicas != 0)
      fail("nothing comes to " + key.name + ", and it has " + std::to_string(replicas) + " workers");
  }
}

void Checks::check_silence(SteadyTime now) {
  if (now - last_write_ < kSilence)
    fail("no silence: the last write was " + last_written_ + ", " +
         std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now - last_write_).count()) +
         " s before the end");
}

void Checks::finish(Load const& load, SteadyTime now, WallTime wall) {
  check_children(wall);
  check_sleep(load, wall);
  check_silence(now);
}

}  // namespace ei::sim
