#include "operator/backend/kube/ensure.hpp"

#include "operator/api/parse.hpp"
#include "operator/backend/kube/children/labels.hpp"
#include "tests/operator/backend/kube/memory_api.hpp"

using namespace ei;
using namespace ei::kube;

namespace {

struct Ensured : MemoryApi {
  std::unique_ptr<Client> api = client();
  TaskGroup tasks{context.get_executor(), [](auto const&, auto const& what) { FAIL(what); }};
  Caches caches{
      *api, {{}, "elastic-inference-operator", true, 1}, [](auto const&) {}, [](auto const&, auto const&) {}};
  Ensurer ensurer{*api, caches, "elastic-inference-operator"};
  api::Metadata service = make_service(*this, "s");
  std::int64_t generation = 1;
  ObjectKey const map{"default", keys_name("s")};

  Ensured() {
    caches.start(tasks);
    pass(1s);
    REQUIRE(caches.synced());
  }
  ~Ensured() {
    asio::co_spawn(context, tasks.stop(), asio::detached);
    pass(1s);
  }
  Result<bool> ensure(std::string const& document) {
    Ensurer::Stamp const stamp{service.uid, generation, 1, std::hash<std::string>{}(document)};
    Ensurer::Render render = [this, document] { return std::vector<Child>{link_keys(service, document)}; };
    auto work = ensurer.ensure(service.key(), "keys", stamp, std::move(render));
    return await(std::move(work));
  }
  std::string document() {
    auto const object = get(kConfigMaps, map);
    auto const* data = sim::member_of(object, "data");
    return data == nullptr ? std::string() : std::string(data->as_object().begin()->value().as_string());
  }
  /// Somebody else changes the child back so many times, a second apart, and it is ensured after each.
  void contest(int times) {
    for (int i = 0; i < times; ++i) {
      send("PATCH", object_path(kConfigMaps, map),
           R"({"metadata":{"labels":{"app.kubernetes.io/name":"x"}}})");
      pass(1s);
      REQUIRE(ensure("one").has_value());
    }
  }
  /// A ConfigMap of the child's name, owned by `uid` or by nobody.
  void occupy(std::string const& uid) {
    auto const owner =
        uid.empty() ? std::string() : R"(,"ownerReferences":[{"uid":")" + uid + R"(","controller":true}])";
    auto const labels = R"(,"labels":{")" + std::string(kServiceLabel) + R"(":"s",")" +
                        std::string(kManagedByLabel) + R"(":")" + std::string(kManagedBy) + R"("})";
    auto const body =
        R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"s-link-keys")" + labels + owner + "}}";
    REQUIRE(send("POST", collection_path(kConfigMaps, "default"), body).status == 201);
  }
};

}  // namespace

TEST_CASE_METHOD(Ensured, "a child that is missing is made, and then nothing is written") {
  REQUIRE(ensure("one").has_value());
  CHECK(document() == "one");
  CHECK(writes == 1);
  pass(2s);
  REQUIRE(ensure("one").has_value());
  CHECK(writes == 1);
}

TEST_CASE_METHOD(Ensured, "a child is written again when it shall be another, was edited, or was deleted") {
  REQUIRE(ensure("one").has_value());
  SECTION("another") {
    REQUIRE(ensure("two").has_value());
    CHECK(document() == "two");
  }
  SECTION("edited") {
    send("PATCH", object_path(kConfigMaps, map),
         R"({"data":{"link-keys.json":"edited","keys.json":"edited"}})");
    send("PATCH", object_path(kConfigMaps, map), R"({"metadata":{"labels":{"app.kubernetes.io/name":"x"}}})");
    pass(2s);
    REQUIRE(ensure("one").has_value());
    CHECK(
        sim::member_of(get(kConfigMaps, map), "metadata.labels")->as_object().at("app.kubernetes.io/name") ==
        "elastic-inference");
  }
  SECTION("deleted") {
    send("DELETE", object_path(kConfigMaps, map));
    pass(2s);
    REQUIRE(ensure("one").has_value());
    CHECK(document() == "one");
  }
}

TEST_CASE_METHOD(Ensured, "an object that takes a child's name before the cache hears of it is left alone") {
  REQUIRE(ensure("one").has_value());
  pass(2s);
  REQUIRE(send("DELETE", object_path(kConfigMaps, map)).status == 200);
  occupy("");
  auto const occupied = get(kConfigMaps, map);
  auto const done = ensure("two");
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().kind == ErrorKind::AlreadyExists);
  CHECK(get(kConfigMaps, map) == occupied);
}

TEST_CASE_METHOD(Ensured, "a child that was deleted before the cache hears of it is made anew") {
  REQUIRE(ensure("one").has_value());
  pass(2s);
  REQUIRE(send("DELETE", object_path(kConfigMaps, map)).status == 200);
  REQUIRE(ensure("two").has_value());
  CHECK(document() == "two");
}

TEST_CASE_METHOD(Ensured, "an object that takes the name after it was looked at is left alone") {
  // Ours, and the cache has not heard of it.
  occupy(service.uid);
  auto const count = network.on_request;
  bool taken = false;
  network.on_request = [&](sim::Peer const& who, http::Request const& request) {
    count(who, request);
    if (request.method != "PATCH" || std::exchange(taken, true)) return;
    REQUIRE(send("DELETE", object_path(kConfigMaps, map)).status == 200);
    occupy("another");
  };
  CHECK(ensure("one").has_error());
  network.on_request = count;
  REQUIRE(taken);
  CHECK(document().empty());
  auto const live = get(kConfigMaps, map);
  CHECK(string_or(sim::member_of(live, "metadata.ownerReferences")->as_array().at(0), "uid") == "another");
}

TEST_CASE_METHOD(Ensured, "what somebody else has under the name is left alone") {
  SECTION("owned by nobody") {
    occupy("");
    auto const done = ensure("one");
    REQUIRE(done.has_error());
    CHECK(done.error().kind == ErrorKind::AlreadyExists);
  }
  SECTION("left by a service that had the same name") {
    occupy("another");
    auto const done = ensure("one");
    REQUIRE(done.has_error());
    CHECK(done.error().kind == ErrorKind::Conflict);
  }
  SECTION("known from the watch") {
    occupy("another");
    pass(2s);
    REQUIRE(ensure("one").has_error());
  }
  CHECK(writes == 0);
}

TEST_CASE_METHOD(Ensured,
                 "what this operator made for an earlier service of the name, and nobody owns, is adopted") {
  REQUIRE(ensure("one").has_value());
  auto const uid = std::string(string_or(get(kConfigMaps, map), "metadata.uid"));
  send("PATCH", object_path(kConfigMaps, map), R"({"metadata":{"ownerReferences":null}})");
  service.uid = "its-successor";
  pass(2s);
  REQUIRE(ensure("two").has_value());
  auto const live = get(kConfigMaps, map);
  CHECK(string_or(live, "metadata.uid") == uid);
  CHECK(document() == "two");
  auto const* owners = sim::member_of(live, "metadata.ownerReferences");
  REQUIRE(owners != nullptr);
  CHECK(string_or(owners->as_array().at(0), "uid") == "its-successor");
}

TEST_CASE_METHOD(
    Ensured, "what somebody changes back is written three times at once, then ever more rarely, and told") {
  REQUIRE(ensure("one").has_value());
  auto const key = service.key();
  int written = 0;
  for (int second = 0; second < 20; ++second) {
    send("PATCH", object_path(kConfigMaps, map), R"({"metadata":{"labels":{"app.kubernetes.io/name":"x"}}})");
    pass(1s);
    auto const before = writes;
    REQUIRE(ensure("one").has_value());
    written += writes - before;
    CHECK((ensurer.contested(key) != nullptr) == (second >= 3));
  }
  // At 0, 1 and 2 s; then 1, 2 and 4 s after it was seen, and the next time after 8.
  CHECK(written == 6);
  auto const* told = ensurer.contested(key);
  REQUIRE(told != nullptr);
  CHECK_THAT(*told, Catch::Contains("ConfigMap s-link-keys is changed back again and again"));
  CHECK_THAT(*told, Catch::Contains("metadata.labels.app.kubernetes.io/name"));
  // An edit does not wait.
  REQUIRE(ensure("two").has_value());
  CHECK(document() == "two");
  pass(121s);
  CHECK(ensurer.contested(key) == nullptr);
}

TEST_CASE_METHOD(Ensured,
                 "a contest that the other side settles is over, with the next edit or without one") {
  REQUIRE(ensure("one").has_value());
  contest(4);
  REQUIRE(ensurer.waits(service.key(), kConfigMaps, map.name));
  // Another operator, which goes by our name, writes what we want.
  auto const before = writes;
  REQUIRE(await(api->apply(kConfigMaps, map, link_keys(service, "one").object, {}, true)).has_value());
  pass(100ms);
  SECTION("seen by itself") {
    REQUIRE(ensure("one").has_value());
  }
  SECTION("seen with an edit that leaves the child as it is") {
    ++generation;
    REQUIRE(ensure("one").has_value());
  }
  CHECK(writes == before + 1);
  CHECK(ensurer.contested(service.key()) != nullptr);
  pass(119s);
  CHECK(ensurer.contested(service.key()) != nullptr);
  pass(2s);
  CHECK(ensurer.contested(service.key()) == nullptr);
}

TEST_CASE_METHOD(Ensured,
                 "only what is not there is told to be deleted, and nobody is named who was not seen") {
  REQUIRE(ensure("one").has_value());
  contest(3);
  auto const told = [&] {
    REQUIRE(ensure("one").has_value());
    auto const* words = ensurer.contested(service.key());
    REQUIRE(words != nullptr);
    return *words;
  };
  SECTION("deleted") {
    send("DELETE", object_path(kConfigMaps, map));
    pass(1s);
    CHECK(told() ==
          "ConfigMap s-link-keys is deleted again and again. It is created again after a wait of at most a "
          "minute, "
          "with the next decision (spec.scaling.interval)");
  }
  SECTION("not to be read") {
    send("PATCH", object_path(kConfigMaps, map), R"({"metadata":{"labels":{"app.kubernetes.io/name":"x"}}})");
    pass(1s);
    network.weather.refused_share = 1;
    network.weather.refused_code = GENERATE(403, 500);
    auto const words = told();
    CHECK_THAT(words, Catch::Contains("ConfigMap s-link-keys is changed back again and again"));
    CHECK(words.find("delete") == std::string::npos);
    CHECK(words.find("manager") == std::string::npos);
  }
}

TEST_CASE_METHOD(Ensured,
                 "workers that the cache lost sight of stay as many as they are, until they were counted") {
  ObjectKey const key{"default", worker_name("s")};
  auto const ensure_workers = [&](int replicas) {
    Ensurer::Stamp const stamp{service.uid, generation, replicas, 0};
    auto work = ensurer.ensure(service.key(), "workers", stamp, [&, replicas] {
      return std::vector<Child>{worker_children(service, api::Spec{}, replicas, {}).back()};
    });
    return await(std::move(work));
  };
  auto const count = [&] { return sim::number_of(get(kDeployments, key), "spec.replicas"); };
  REQUIRE(ensure_workers(5).value());
  REQUIRE(count() == 5);
  // It is ours still, or an orphan that is adopted; without the label that caches select by.
  auto const owners = GENERATE("", R"(,"ownerReferences":null)");
  auto const labels = R"({"metadata":{"labels":{")" + std::string(kManagedByLabel) + R"(":"somebody"})";
  send("PATCH", object_path(kDeployments, key), labels + owners + "}}");
  pass(2s);
  REQUIRE(caches.find(kDeployments, key) == nullptr);
  REQUIRE_FALSE(ensure_workers(1).value());
  CHECK(count() == 5);
  REQUIRE(caches.find(kDeployments, key) != nullptr);
  REQUIRE(ensure_workers(1).value());
  CHECK(count() == 1);
}

TEST_CASE_METHOD(Ensured, "a child on its way out is not written, and made anew once it is gone") {
  REQUIRE(ensure("one").has_value());
  send("PATCH", object_path(kConfigMaps, map), R"({"metadata":{"finalizers":["example.org/hold"]}})");
  send("DELETE", object_path(kConfigMaps, map));
  pass(2s);
  auto const before = writes;
  REQUIRE(ensure("one").has_value());
  CHECK(writes == before);
  send("PATCH", object_path(kConfigMaps, map), R"({"metadata":{"finalizers":null}})");
  pass(2s);
  REQUIRE_FALSE(has(kConfigMaps, map));
  REQUIRE(ensure("one").has_value());
  CHECK(document() == "one");
}

TEST_CASE_METHOD(Ensured, "a write that fails is an error that names the child, and the next one succeeds") {
  network.weather.server_down = true;
  auto const done = ensure("one");
  REQUIRE(done.has_error());
  CHECK(done.error().message.find("ConfigMap s-link-keys") != std::string::npos);
  network.weather.server_down = false;
  REQUIRE(ensure("one").has_value());
  CHECK(document() == "one");
}
