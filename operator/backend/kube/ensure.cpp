#include "operator/backend/kube/ensure.hpp"

#include "operator/backend/kube/children/labels.hpp"
#include "operator/backend/kube/protocol/owned_fields.hpp"
#include "operator/backend/kube/protocol/rival.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/core/json.hpp"
#include "runtime/log/log.hpp"

#include <algorithm>
#include <utility>

namespace ei::kube {
namespace {

namespace asio = boost::asio;

/// Whether it was made for a service of this name, be it ours or an earlier one.
bool is_of(CachedObject const& object, std::string const& service) {
  auto const* label = find_label(object.labels, kServiceLabel);
  return label != nullptr && *label == service;
}

/// For a name that somebody else's object has. That of a service with the same name as ours is what an
/// earlier one left and the garbage collector is about to remove; any other stays.
Error not_ours(CachedObject const& live, std::string const& service) {
  if (!live.owner_uid.empty() && is_of(live, service)) {
    return make_error(ErrorKind::Conflict,
                      "the one of a deleted service with this name is still being removed");
  }
  // Labels anybody can give; what has them alone may be made to be taken for ours.
  auto const* const whose = live.owner_uid.empty() && is_of(live, service)
                                ? "exists already, with this service's labels and not made by this operator"
                                : "exists already and has another owner";
  return make_error(ErrorKind::AlreadyExists, std::string(whose) + ": remove it, or rename the service");
}

/// As the caches keep it.
Result<CachedObject> identity_of(boost::json::value const& object, std::string_view field_manager) {
  auto identity = read_identity(object, {kServiceLabel});
  if (!identity) return identity;
  auto const owned = extract_owned(object.get_object(), field_manager);
  if (!owned.is_null()) identity->owned_digest = owned_digest(owned);
  return identity;
}

void log_write(Child const& child, ObjectKey const& key) {
  log::info("child_applied",
            {{"namespace", key.namespace_name}, {"kind", child.type.kind}, {"child", key.name}});
}

}  // namespace

bool is_orphan(CachedObject const& object, std::string const& service) {
  return object.owner_uid.empty() && is_of(object, service) && object.owned_digest != 0;
}

bool Ensurer::holds(Wanted const& wanted, api::ServiceKey const& service, std::string const& owner_uid) {
  auto const* live = caches_.find(wanted.plural, {service.namespace_name, wanted.name});
  if (live == nullptr || live->owner_uid != owner_uid) return false;
  // One that is on its way out cannot be changed to stay; its end will bring us back.
  if (live->deleting) return true;
  bool const as_wanted =
      live->owned_digest == wanted.digest || (wanted.accepted != 0 && live->owned_digest == wanted.accepted);
  if (!as_wanted) return false;
  // Who contested it may have given way.
  if (auto* contest = find_contest(service, wanted.plural, wanted.name)) contest->pace.stands(steady_now());
  return true;
}

asio::awaitable<Result<bool>> Ensurer::ensure(api::ServiceKey service, std::string group, Stamp stamp,
                                              Render render) {
  auto& set = sets_[service][group];
  bool const current = set.stamp == stamp && !set.wanted.empty();
  bool const all_hold =
      current && std::all_of(set.wanted.begin(), set.wanted.end(),
                             [&](Wanted const& wanted) { return holds(wanted, service, stamp.owner_uid); });
  if (all_hold) co_return true;
  auto children = render();
  // A new count alone is no edit: it is written by itself while the rest is contested.
  auto last_stamp = set.stamp;
  last_stamp.replicas = stamp.replicas;
  bool const edited = set.wanted.empty() || last_stamp != stamp;
  Set next{stamp, {}};
  next.wanted.reserve(children.size());
  std::vector<bool> written;  // and was as it should be since
  for (auto const& child : children) {
    next.wanted.push_back({child.type.plural, child.name(), owned_digest(child.object), 0});
    auto const known = std::find_if(set.wanted.begin(), set.wanted.end(), [&](Wanted const& wanted) {
      return wanted.plural == child.type.plural && wanted.name == next.wanted.back().name &&
             wanted.digest == next.wanted.back().digest;
    });
    if (known != set.wanted.end()) next.wanted.back().accepted = known->accepted;
    written.push_back(current && known != set.wanted.end());
  }
  set.wanted.clear();
  bool as_rendered = true;
  // `set` may be gone after a suspension: the service may have been forgotten.
  for (std::size_t i = 0; i < children.size(); ++i) {
    auto& wanted = next.wanted[i];
    ObjectKey const key{service.namespace_name, wanted.name};
    if (holds(wanted, service, stamp.owner_uid)) continue;
    if (written[i]) co_await note_undone(children[i], key, service);
    auto* contest = find_contest(service, wanted.plural, wanted.name);
    if (contest != nullptr && !edited && contest->pace.waits(steady_now())) continue;
    auto done = co_await put(std::move(children[i]), wanted, key, service.name, stamp.owner_uid);
    if (!done) co_return done.error();
    as_rendered = as_rendered && *done;
    contest = find_contest(service, wanted.plural, wanted.name);
    if (contest != nullptr) contest->pace.written(steady_now());
  }
  // The write of what was found brings us back, and what is decided then knows of it.
  if (as_rendered) sets_[service][group] = std::move(next);
  co_return as_rendered;
}

asio::awaitable<Result<bool>> Ensurer::put(Child child, Wanted& wanted, ObjectKey key, std::string service,
                                           std::string owner_uid) {
  auto const* live = caches_.find(child.type, key);
  bool const ours = live != nullptr && live->owner_uid == owner_uid;
  bool const others = live != nullptr && !live->owner_uid.empty() && !ours;
  Client::Value applied = make_error(ErrorKind::Canceled, "not sent");
  if (others) {
    applied = not_ours(*live, service);
  } else if (ours) {
    applied = co_await apply_ours(child, key, service, owner_uid);
  } else {
    applied = co_await apply_new(child, key, service, owner_uid);
  }
  if (!applied) {
    co_return with_context(applied.error(), std::string(child.type.kind) + " " + key.name);
  }
  log_write(child, key);
  caches_.learn(child.type, *applied);
  auto const owned = extract_owned(applied->as_object(), field_manager_);
  auto const digest = owned.is_null() ? 0 : owned_digest(owned);
  if (digest != wanted.digest) wanted.accepted = digest;
  co_return owned_digest(child.object) == wanted.digest;
}

/// For an object that is ours as far as the cache knows. Its uid goes with the write: without it an object
/// that has taken the name meanwhile would be written by force, and made ours.
asio::awaitable<Client::Value> Ensurer::apply_ours(Child& child, ObjectKey const& key,
                                                   std::string const& service, std::string const& owner_uid) {
  auto const uid = caches_.find(child.type, key)->uid;
  auto object = child.object;
  object["metadata"].as_object()["uid"] = uid;
  auto applied = co_await client_.apply(child.type, key, std::move(object));
  bool const refused =
      !applied && (applied.error().kind == ErrorKind::Conflict || applied.error().kind == ErrorKind::Invalid);
  if (!refused) co_return applied;
  auto const live = co_await client_.get(child.type, key);
  if (live && string_or(*live, "metadata.uid") == uid) co_return applied;
  co_return co_await apply_new(child, key, service, owner_uid);
}

/// For an object that is not in the cache: it does not exist, or the cache is behind, or it is somebody
/// else's. An apply by itself would not tell: it meets a conflict only in fields that somebody else has set.
/// The uid of what was looked at goes with the write, as in apply_ours(). A Deployment that is found keeps
/// its count, also in `child`: the count in `child` was decided without knowing of those replicas.
asio::awaitable<Client::Value> Ensurer::apply_new(Child& child, ObjectKey const& key,
                                                  std::string const& service, std::string const& owner_uid) {
  auto live = co_await client_.get(child.type, key);
  if (!live && live.error().kind != ErrorKind::NotFound) co_return live;
  std::string uid;
  bool keeps_count = false;
  if (live) {
    auto const identity = identity_of(*live, field_manager_);
    if (!identity) co_return identity.error();
    bool const adopted = is_orphan(*identity, service);
    if (identity->owner_uid != owner_uid && !adopted) co_return not_ours(*identity, service);
    if (adopted)
      log::info("child_adopted",
                {{"namespace", key.namespace_name}, {"kind", child.type.kind}, {"child", key.name}});
    auto const* const count = find_member(*live, "spec.replicas");
    keeps_count = child.type == kDeployments && count != nullptr && caches_.find(child.type, key) == nullptr;
    if (keeps_count) child.object["spec"].as_object()["replicas"] = *count;
    uid = identity->uid;
  }
  auto object = child.object;
  if (live) object["metadata"].as_object()["uid"] = std::move(uid);
  if (keeps_count)
    object["metadata"].as_object()["resourceVersion"] = string_or(*live, "metadata.resourceVersion");
  co_return co_await client_.apply(child.type, key, std::move(object), {}, live.has_value());
}

asio::awaitable<void> Ensurer::note_undone(Child const& child, ObjectKey key, api::ServiceKey service) {
  auto const now = steady_now();
  auto* found = find_contest(service, child.type.plural, key.name);
  if (found == nullptr)
    found = &contests_[service].emplace_back(Contested{child.type.plural, key.name, {}, {}});
  if (found->pace.is_undone()) co_return;
  found->pace.undone(now);
  if (!found->pace.lasts()) co_return;
  auto const what = std::string(child.type.kind) + " " + key.name;
  auto const live = co_await client_.get(child.type, key);
  Rival rival;
  if (live && live->is_object()) rival = find_rival(child.object, live->get_object(), field_manager_);
  auto told = to_string(rival, what, field_manager_);
  // Any other error leaves open what became of it.
  if (!live && live.error().kind == ErrorKind::NotFound)
    told = (what + " is deleted again and again. It is created again ").append(kWrittenAgain);
  // It may have been forgotten meanwhile.
  found = find_contest(service, child.type.plural, key.name);
  if (found == nullptr) co_return;
  found->told = std::move(told);
  auto const wait = std::chrono::duration_cast<milliseconds>(found->pace.next() - now);
  log::warn("child_contested", {{"namespace", key.namespace_name},
                                {"name", service.name},
                                {"kind", child.type.kind},
                                {"child", key.name},
                                {"times", found->pace.times()},
                                {"manager", rival.manager},
                                {"field", rival.field},
                                {"next_write_in_ms", wait.count()}});
}

Ensurer::Contested* Ensurer::find_contest(api::ServiceKey const& service, std::string_view plural,
                                          std::string const& name) {
  auto const those = contests_.find(service);
  if (those == contests_.end()) return nullptr;
  for (auto& each : those->second) {
    if (each.plural == plural && each.name == name) return &each;
  }
  return nullptr;
}

std::string const* Ensurer::contested(api::ServiceKey const& service) {
  auto const those = contests_.find(service);
  if (those == contests_.end()) return nullptr;
  auto const now = steady_now();
  std::erase_if(those->second, [&](Contested const& each) { return each.pace.over(now); });
  if (those->second.empty())
    contests_.erase(those);
  else
    for (auto const& each : those->second) {
      if (!each.told.empty()) return &each.told;
    }
  return nullptr;
}

bool Ensurer::waits(api::ServiceKey const& service, ResourceType const& type, std::string const& name) const {
  auto const those = contests_.find(service);
  if (those == contests_.end()) return false;
  return std::any_of(those->second.begin(), those->second.end(), [&](Contested const& each) {
    return each.plural == type.plural && each.name == name && each.pace.waits(steady_now());
  });
}

void Ensurer::forget(api::ServiceKey const& service) {
  sets_.erase(service);
  contests_.erase(service);
}

}  // namespace ei::kube
