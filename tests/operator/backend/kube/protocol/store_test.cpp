#include "operator/backend/kube/protocol/store.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace ei::kube;

namespace {

CachedObject object(std::string name, std::string version, std::string service = "s") {
  CachedObject cached;
  cached.key = {"ns", std::move(name)};
  cached.resource_version = std::move(version);
  cached.labels = {{"service", std::move(service)}};
  return cached;
}

std::vector<std::string> names(std::vector<CachedObject const*> const& objects) {
  std::vector<std::string> result;
  for (auto const* cached : objects) result.push_back(cached->key.name);
  return result;
}

}  // namespace

TEST_CASE("a listing becomes visible whole, and names exactly what changed") {
  Store store;
  store.put(object("same", "1"));
  store.put(object("changed", "2"));
  store.put(object("gone", "3"));
  store.restage();
  store.stage(object("same", "1"));
  store.stage(object("changed", "9"));
  store.stage(object("new", "8"));
  CHECK(store.find({"ns", "new"}) == nullptr);
  std::set<std::string> changes;
  store.commit([&](ObjectKey const& key, CachedObject const* before, CachedObject const* after) {
    changes.insert((before != nullptr ? before->resource_version : "-") + key.name +
                   (after != nullptr ? after->resource_version : "-"));
  });
  CHECK(changes == std::set<std::string>{"2changed9", "3gone-", "-new8"});
  CHECK(store.find({"ns", "gone"}) == nullptr);
  CHECK(store.find({"ns", "new"}) != nullptr);
}

TEST_CASE("an older version never replaces a newer one") {
  Store store;
  CHECK(store.put(object("a", "99")));
  CHECK(store.put(object("a", "100")));
  CHECK_FALSE(store.put(object("a", "99")));
  CHECK_FALSE(store.put(object("a", "100")));
  CHECK(store.find({"ns", "a"})->resource_version == "100");
}

TEST_CASE("a write's answer that comes after its object's removal does not bring it back") {
  Store store;
  store.put(object("a", "100"));
  store.remove({"ns", "a"}, "102");
  CHECK_FALSE(store.learn(object("a", "101")));
  CHECK(store.find({"ns", "a"}) == nullptr);
  // One made anew, and one that the watch has not told of yet, are younger than the removal.
  CHECK(store.learn(object("a", "103")));
  CHECK(store.learn(object("b", "104")));
  // A version of what is here is judged by itself.
  store.remove({"ns", "b"}, "110");
  CHECK(store.learn(object("a", "109")));
}

TEST_CASE("the index follows labels that change and objects that go") {
  Store store("service");
  store.put(object("b", "1", "x"));
  store.put(object("a", "2", "x"));
  store.put(object("c", "3", "y"));
  CHECK(names(store.by_index("ns", "x")) == std::vector<std::string>{"a", "b"});
  store.put(object("a", "4", "y"));
  CHECK(names(store.by_index("ns", "x")) == std::vector<std::string>{"b"});
  CHECK(names(store.by_index("ns", "y")) == std::vector<std::string>{"a", "c"});
  store.remove({"ns", "b"}, "5");
  CHECK(store.by_index("ns", "x").empty());
  CHECK(store.by_index("other", "y").empty());
  store.restage();
  store.stage(object("d", "9", "z"));
  store.commit([](auto const&...) {});
  CHECK(store.by_index("ns", "y").empty());
  CHECK(names(store.by_index("ns", "z")) == std::vector<std::string>{"d"});
}

TEST_CASE("identity is read from metadata") {
  boost::json::value const live{
      {"metadata",
       {{"name", "n"},
        {"namespace", "ns"},
        {"uid", "u"},
        {"resourceVersion", "7"},
        {"generation", 3},
        {"deletionTimestamp", "2026-01-01T00:00:00Z"},
        {"labels", {{"z", "1"}, {"a", "2"}}},
        {"ownerReferences", {{{"uid", "other"}}, {{"uid", "owner"}, {"controller", true}}}}}}};
  auto const cached = read_identity(live, {"z", "a", "absent"});
  REQUIRE(cached.has_value());
  CHECK(cached->key == ObjectKey{"ns", "n"});
  CHECK(cached->generation == 3);
  CHECK(cached->deleting);
  CHECK(cached->owner_uid == "owner");
  CHECK(cached->labels == Labels{{"a", "2"}, {"z", "1"}});
  CHECK_FALSE(read_identity({{"kind", "Pod"}}).has_value());
}
