#include "operator/backend/kube/protocol/store.hpp"

#include "runtime/core/json.hpp"

#include <algorithm>
#include <utility>

namespace ei::kube {
namespace {

std::string text_at(boost::json::object const& object, std::string_view name) {
  auto const* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  return std::string(value->get_string());
}

Labels read_labels(boost::json::object const& metadata, std::vector<std::string_view> const& keep) {
  Labels labels;
  auto const* value = metadata.if_contains("labels");
  if (value == nullptr || !value->is_object()) return labels;
  for (auto const name : keep) {
    auto const* text = value->get_object().if_contains(name);
    if (text != nullptr && text->is_string())
      labels.emplace_back(intern(name), std::string(text->get_string()));
  }
  std::sort(labels.begin(), labels.end());
  labels.shrink_to_fit();
  return labels;
}

std::string controller_uid(boost::json::object const& metadata) {
  auto const* owners = metadata.if_contains("ownerReferences");
  if (owners == nullptr || !owners->is_array()) return {};
  for (auto const& owner : owners->get_array()) {
    auto const* controller = find_member(owner, "controller");
    if (controller != nullptr && controller->is_bool() && controller->get_bool()) {
      return std::string(string_or(owner, "uid"));
    }
  }
  return {};
}

/// True when `left` is older than or the same as `right`. Kubernetes 1.35 promises that resource versions of
/// one collection are decimal numbers in the order of change; others are taken to be newer unless equal.
bool not_newer(std::string const& left, std::string const& right) {
  auto const decimal = [](std::string const& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  };
  if (left == right) return true;
  if (!decimal(left) || !decimal(right)) return false;
  return left.size() != right.size() ? left.size() < right.size() : left < right;
}

}  // namespace

Result<CachedObject> read_identity(boost::json::value const& object,
                                   std::vector<std::string_view> const& keep_labels) {
  auto const* value = find_member(object, "metadata");
  if (value == nullptr || !value->is_object())
    return make_error(ErrorKind::Protocol, "object without metadata");
  auto const& metadata = value->get_object();
  CachedObject cached;
  cached.key = {text_at(metadata, "namespace"), text_at(metadata, "name")};
  if (cached.key.name.empty()) return make_error(ErrorKind::Protocol, "object without a name");
  cached.uid = text_at(metadata, "uid");
  cached.resource_version = text_at(metadata, "resourceVersion");
  if (auto const* generation = metadata.if_contains("generation"); generation && generation->is_int64()) {
    cached.generation = generation->get_int64();
  }
  cached.deleting = metadata.contains("deletionTimestamp");
  cached.owner_uid = controller_uid(metadata);
  cached.labels = read_labels(metadata, keep_labels);
  return cached;
}

void Store::stage(CachedObject object) {
  unstage(object.key);
  stage_.insert(std::move(object));
}

void Store::unstage(ObjectKey const& key) {
  if (auto const found = stage_.find(key); found != stage_.end()) stage_.erase(found);
}

void Store::commit(OnChange const& on_change) {
  auto const old = std::exchange(objects_, std::exchange(stage_, {}));
  index_.clear();
  for (auto const& object : objects_) add_to_index(object);
  for (auto const& before : old) {
    auto const* after = find(before.key);
    if (after == nullptr || after->resource_version != before.resource_version)
      on_change(before.key, &before, after);
  }
  for (auto const& after : objects_) {
    if (!old.contains(after.key)) on_change(after.key, nullptr, &after);
  }
}

bool Store::put(CachedObject object) {
  auto const found = objects_.find(object.key);
  if (found != objects_.end()) {
    if (not_newer(object.resource_version, found->resource_version)) return false;
    drop_from_index(*found);
    objects_.erase(found);
  }
  add_to_index(*objects_.insert(std::move(object)).first);
  return true;
}

bool Store::learn(CachedObject object) {
  bool const gone = !objects_.contains(object.key) && not_newer(object.resource_version, removed_at_);
  return !gone && put(std::move(object));
}

bool Store::remove(ObjectKey const& key, std::string resource_version) {
  if (!not_newer(resource_version, removed_at_)) removed_at_ = std::move(resource_version);
  auto const found = objects_.find(key);
  if (found == objects_.end()) return false;
  drop_from_index(*found);
  objects_.erase(found);
  return true;
}

CachedObject const* Store::find(ObjectKey const& key) const {
  auto const found = objects_.find(key);
  return found == objects_.end() ? nullptr : &*found;
}

std::vector<CachedObject const*> Store::by_index(std::string const& namespace_name,
                                                 std::string const& value) const {
  auto const found = index_.find({namespace_name, value});
  return found == index_.end() ? std::vector<CachedObject const*>{} : found->second;
}

void Store::add_to_index(CachedObject const& object) {
  auto const* value = index_label_.empty() ? nullptr : find_label(object.labels, index_label_);
  if (value == nullptr) return;
  auto& group = index_[{object.key.namespace_name, *value}];
  auto const at =
      std::lower_bound(group.begin(), group.end(), object.key,
                       [](auto const* left, ObjectKey const& right) { return left->key < right; });
  group.insert(at, &object);
}

void Store::drop_from_index(CachedObject const& object) {
  auto const* value = index_label_.empty() ? nullptr : find_label(object.labels, index_label_);
  if (value == nullptr) return;
  auto const group = index_.find({object.key.namespace_name, *value});
  if (group == index_.end()) return;
  std::erase(group->second, &object);
  if (group->second.empty()) index_.erase(group);
}

}  // namespace ei::kube
