#include "tests/sim/api/storage.hpp"

#include <boost/json/serialize.hpp>

#include <utility>

namespace ei::sim {
namespace {

RevisionPtr make_revision(std::uint64_t version, boost::json::object object) {
  object["metadata"].as_object()["resourceVersion"] = std::to_string(version);
  auto text = boost::json::serialize(object);
  return std::make_shared<Revision const>(Revision{version, std::move(object), std::move(text)});
}

}  // namespace

RevisionPtr Storage::find(Kind const& kind, kube::ObjectKey const& key) const {
  auto const& objects = all(kind);
  auto const found = objects.find(key);
  return found == objects.end() ? nullptr : found->second;
}

Storage::Objects const& Storage::all(Kind const& kind) const {
  static Objects const none;
  auto const found = collections_.find(kind.type.plural);
  return found == collections_.end() ? none : found->second.objects;
}

std::deque<Change> const& Storage::changes(Kind const& kind) const {
  static std::deque<Change> const none;
  auto const found = collections_.find(kind.type.plural);
  return found == collections_.end() ? none : found->second.changes;
}

RevisionPtr Storage::put(Kind const& kind, kube::ObjectKey const& key, boost::json::object object) {
  auto& collection = collections_[kind.type.plural];
  auto& place = collection.objects[key];
  auto before = std::exchange(place, make_revision(++version_, std::move(object)));
  auto after = place;
  note(collection, kind, {version_, std::move(before), after, false});
  return after;
}

void Storage::erase(Kind const& kind, kube::ObjectKey const& key) {
  auto& collection = collections_[kind.type.plural];
  auto const found = collection.objects.find(key);
  if (found == collection.objects.end()) return;
  auto before = std::move(found->second);
  collection.objects.erase(found);
  auto last = make_revision(++version_, before->object);
  note(collection, kind, {version_, std::move(before), std::move(last), true});
}

void Storage::note(Collection& collection, Kind const& kind, Change change) {
  collection.changes.push_back(change);
  if (collection.changes.size() > kWindow) {
    forgotten_ = std::max(forgotten_, collection.changes.front().version);
    collection.changes.pop_front();
  }
  if (on_change) on_change(kind, change);
}

void Storage::forget() {
  forgotten_ = version_;
  for (auto& [plural, collection] : collections_) collection.changes.clear();
}

}  // namespace ei::sim
