#include "operator/backend/kube/caches.hpp"

#include "operator/api/parse.hpp"
#include "operator/backend/kube/children/labels.hpp"
#include "tests/operator/backend/kube/memory_api.hpp"

#include <vector>

using namespace ei;
using namespace ei::kube;

namespace {

std::string labels_of(std::string const& service, std::string const& component = "worker") {
  return R"("labels":{")" + std::string(kServiceLabel) + R"(":")" + service + R"(",")" +
         std::string(kComponentLabel) + R"(":")" + component + R"(",")" + std::string(kManagedByLabel) +
         R"(":")" + std::string(kManagedBy) + R"("})";
}

struct Cached : MemoryApi {
  std::vector<std::string> changed;
  int edits = 0;
  std::unique_ptr<Client> api = client();
  TaskGroup tasks{context.get_executor(), [](auto const&, auto const& what) { FAIL(what); }};
  Caches caches{*api,
                {{}, "elastic-inference-operator", true, 1},
                [this](api::ServiceKey const& key) { changed.push_back(key.name); },
                [this](auto const&, auto const&) { ++edits; }};

  void start() {
    caches.start(tasks);
    pass(1s);
    changed.clear();
  }
  ~Cached() {
    asio::co_spawn(context, tasks.stop(), asio::detached);
    pass(1s);
  }
  void make_map(std::string const& name, std::string const& service) {
    send("POST", collection_path(kConfigMaps, "default"),
         R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name + R"(",)" +
             labels_of(service) + "}}");
    pass(100ms);
  }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE_METHOD(Cached, "the caches are whole once every collection was listed") {
  CHECK_FALSE(caches.synced());
  make_service(*this, "s");
  caches.start(tasks);
  pass(1s);
  CHECK(caches.synced());
  CHECK(changed == Names{"s"});
  CHECK(caches.find(kInferenceServices, {"default", "s"}) != nullptr);
  CHECK_FALSE(caches.monitors_synced());
}

TEST_CASE_METHOD(Cached, "an edit of the spec is news, the operator's own status is not") {
  make_service(*this, "s");
  start();
  auto const path = object_path(kInferenceServices, {"default", "s"});
  send("PATCH", path + "/status", R"({"status":{"replicas":1}})");
  pass(1s);
  CHECK(changed.empty());
  CHECK(edits == 0);
  send("PATCH", path, R"({"spec":{"scaling":{"minReplicas":2}}})");
  pass(1s);
  CHECK(changed == Names{"s"});
  CHECK(edits == 1);
  send("DELETE", path);
  pass(1s);
  CHECK(changed == Names{"s", "s"});
  CHECK(caches.find(kInferenceServices, {"default", "s"}) == nullptr);
}

TEST_CASE_METHOD(Cached,
                 "a child tells of the service that its label names, also of the one it named before") {
  start();
  make_map("m", "one");
  CHECK(changed == Names{"one"});
  changed.clear();
  send("PATCH", object_path(kConfigMaps, {"default", "m"}),
       R"({"metadata":{"labels":{")" + std::string(kServiceLabel) + R"(":"two"}}})");
  pass(1s);
  CHECK(changed == Names{"one", "two"});
}

TEST_CASE_METHOD(Cached, "objects of a service come by component and in the order of their names") {
  start();
  for (auto const* name : {"b", "a"}) make_map(name, "s");
  make_map("other", "t");
  auto const found = caches.of_service(kConfigMaps, {"default", "s"}, "worker");
  REQUIRE(found.size() == 2);
  CHECK(found[0]->key.name == "a");
  CHECK(caches.of_service(kConfigMaps, {"default", "s"}, "dispatcher").empty());
  CHECK(caches.of_service(kPods, {"default", "s"}, "worker").empty());
}

TEST_CASE_METHOD(Cached, "a write's answer is there before the watch tells of it") {
  start();
  network.weather.stalled_share = 1;
  network.cut_streams();
  auto const made =
      send("POST", collection_path(kConfigMaps, "default"),
           R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m",)" + labels_of("s") + "}}");
  caches.learn(kConfigMaps, boost::json::parse(made.body));
  CHECK(caches.find(kConfigMaps, {"default", "m"}) != nullptr);
  CHECK(changed == Names{"s"});
}

TEST_CASE_METHOD(Cached, "after a restart of the server nothing is missing and nothing is left") {
  start();
  make_map("stays", "s");
  make_map("goes", "s");
  network.weather.server_down = true;
  network.cut_streams();
  for (auto const& kind : sim::kinds()) network.on_change(kind);
  server.remove(kConfigMaps, {"default", "goes"});
  send("POST", collection_path(kConfigMaps, "default"),
       R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"new",)" + labels_of("s") + "}}");
  pass(5s);
  network.weather.server_down = false;
  server.restart();
  pass(15s);
  CHECK(caches.find(kConfigMaps, {"default", "stays"}) != nullptr);
  CHECK(caches.find(kConfigMaps, {"default", "new"}) != nullptr);
  CHECK(caches.find(kConfigMaps, {"default", "goes"}) == nullptr);
}
