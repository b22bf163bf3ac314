#include "operator/backend/kube/backend.hpp"

#include "operator/api/parse.hpp"
#include "operator/backend/kube/children/labels.hpp"
#include "operator/backend/kube/children/link_keys.hpp"
#include "tests/operator/backend/kube/memory_api.hpp"

#include <boost/json/array.hpp>

using namespace ei;
using namespace ei::kube;

namespace {

struct Backed : MemoryApi {
  std::unique_ptr<Client> api = client();
  KubeBackend backend{context.get_executor(), *api, BackendOptions{}};
  ObjectKey const workers{"default", worker_name("s")};

  Backed() {
    serve_keys();
    make_service(*this, "s");
  }
  ~Backed() {
    asio::co_spawn(context, backend.stop(1s), asio::detached);
    pass(5s);
  }
  void serve_keys() {
    server.serve_document(std::string(kDiscoveryPath), boost::json::object{{"issuer", "https://test"}});
    boost::json::object key{{"kid", "1"}, {"kty", "RSA"}};
    server.serve_document(std::string(kKeysPath), boost::json::object{{"keys", boost::json::array{key}}});
  }
  void start() {
    backend.start();
    pass(1s);
    REQUIRE(backend.synced());
  }
  plan::Observation observe() {
    auto seen = await(backend.observe({"default", "s"}));
    REQUIRE(seen.has_value());
    return std::move(*seen);
  }
  Result<void> apply(plan::Actions const& actions) {
    auto const seen = observe();
    auto done = await(backend.apply(seen, actions));
    pass(1s);
    return done;
  }
  std::int64_t replicas() { return sim::number_of(get(kDeployments, workers), "spec.replicas", -1); }
};

}  // namespace

TEST_CASE_METHOD(Backed,
                 "nothing is observed before the caches are whole, and nothing of what is not there") {
  auto early = await(backend.observe({"default", "s"}));
  REQUIRE(early.has_error());
  CHECK(early.error().kind == ErrorKind::Unavailable);
  start();
  CHECK(observe().metadata.name == "s");
  auto absent = await(backend.observe({"default", "absent"}));
  REQUIRE(absent.has_error());
  CHECK(absent.error().kind == ErrorKind::NotFound);
}

TEST_CASE_METHOD(Backed, "the first wait names every service, the next one what has changed") {
  start();
  auto first = await(backend.wait_change());
  REQUIRE(first.has_value());
  CHECK(first->size() == 1);
  make_service(*this, "t");
  auto second = await(backend.wait_change());
  REQUIRE(second.has_value());
  CHECK(second->front().name == "t");
  backend.cancel_wait();
  CHECK(await(backend.wait_change()).has_error());
}

TEST_CASE_METHOD(Backed, "what is ensured is there, and ensured again writes nothing") {
  start();
  plan::Actions const actions{plan::EnsureDispatcher{1}, plan::EnsureWorkers{2}};
  REQUIRE(apply(actions).has_value());
  CHECK(replicas() == 2);
  CHECK(has(kServices, {"default", "s"}));
  CHECK(has(kConfigMaps, {"default", keys_name("s")}));
  auto const before = writes;
  REQUIRE(apply(actions).has_value());
  CHECK(writes == before);
  CHECK(observe().worker_replicas == 2);
}

TEST_CASE_METHOD(Backed, "a service that wants standbys is told that a cluster has none") {
  start();
  CHECK_FALSE(observe().no_standbys);
  auto object = get(kInferenceServices, {"default", "s"});
  object["spec"].as_object()["scaling"] = {{"standby", 1}};
  auto const key = ObjectKey{"default", "s"};
  REQUIRE(send("PUT", object_path(kInferenceServices, key), boost::json::serialize(object)).status == 200);
  pass(1s);
  auto const seen = observe();
  REQUIRE(seen.no_standbys);
  CHECK(seen.no_standbys->reason == "NotOnClusters");
}

TEST_CASE_METHOD(Backed,
                 "the count alone is written by the scale subresource, and never makes a Deployment") {
  start();
  REQUIRE(apply({plan::ScaleWorkers{4}}).has_value());
  CHECK(replicas() == -1);
  REQUIRE(apply({plan::EnsureWorkers{2}}).has_value());
  REQUIRE(apply({plan::ScaleWorkers{4}}).has_value());
  CHECK(replicas() == 4);
  CHECK(observe().worker_replicas == 4);
  REQUIRE(apply({plan::EnsureWorkers{4}}).has_value());
  CHECK(replicas() == 4);
}

TEST_CASE_METHOD(Backed, "nothing is made for a service that is gone, also before its watch tells so") {
  start();
  auto const seen = observe();
  network.weather.late_share = 1;
  pass(1s);
  REQUIRE(send("DELETE", object_path(kInferenceServices, {"default", "s"})).status == 200);
  api::Status status;
  status.observed_generation = 1;
  auto const written = await(backend.apply(seen, {plan::WriteStatus{status}}));
  REQUIRE(written.has_error());
  CHECK(written.error().kind == ErrorKind::NotFound);
  auto const early = await(backend.observe({"default", "s"}));
  REQUIRE(early.has_error());
  CHECK(early.error().kind == ErrorKind::Unavailable);
  SECTION("and when the watch told so") {
    pass(10s);
    auto const late = await(backend.observe({"default", "s"}));
    REQUIRE(late.has_error());
    CHECK(late.error().kind == ErrorKind::NotFound);
  }
  SECTION("and one that has the name by then is another") {
    make_service(*this, "s");
    pass(30s);
    CHECK(observe().metadata.uid != seen.metadata.uid);
  }
}

TEST_CASE_METHOD(Backed, "a count that somebody sets by hand is drift, not a new one to start from") {
  start();
  REQUIRE(apply({plan::EnsureWorkers{2}}).has_value());
  send("PATCH", object_path(kDeployments, workers, "scale"), R"({"spec":{"replicas":7}})");
  pass(1s);
  CHECK(observe().worker_replicas == 2);
  REQUIRE(apply({plan::EnsureWorkers{2}}).has_value());
  CHECK(replicas() == 2);
}

TEST_CASE_METHOD(Backed, "workers that are to be adopted stay as many as they are, and no others count") {
  start();
  REQUIRE(apply({plan::EnsureWorkers{2}}).has_value());
  auto const patch = [&](std::string const& metadata) {
    REQUIRE(send("PATCH", object_path(kDeployments, workers), R"({"metadata":)" + metadata + "}").status ==
            200);
    pass(1s);
  };
  SECTION("left by an earlier service of the name") {
    patch(R"({"ownerReferences":null})");
    CHECK(observe().worker_replicas == 2);
  }
  SECTION("lost sight of, as the label is gone by which caches select") {
    patch(R"({"labels":{")" + std::string(kManagedByLabel) + R"(":"somebody"}})");
    auto const seen = observe();
    REQUIRE_FALSE(seen.worker_replicas.has_value());
    REQUIRE(await(backend.apply(seen, {plan::EnsureWorkers{1}})).has_value());
    CHECK(replicas() == 2);
    REQUIRE(await(backend.apply(seen, {plan::ScaleWorkers{1}})).has_value());
    CHECK(replicas() == 2);
    CHECK(observe().worker_replicas == 2);
  }
  SECTION("made for another service") {
    patch(R"({"ownerReferences":null,"labels":{")" + std::string(kServiceLabel) + R"(":"other"}})");
    CHECK_FALSE(observe().worker_replicas.has_value());
    auto const done = apply({plan::EnsureWorkers{2}});
    REQUIRE(done.has_error());
    CHECK(done.error().kind == ErrorKind::AlreadyExists);
  }
}

TEST_CASE_METHOD(Backed,
                 "a worker hangs since this process saw it, also where the node's clock is an hour behind") {
  start();
  REQUIRE(apply({plan::EnsureWorkers{1}}).has_value());
  auto const long_ago = format_rfc3339_seconds(clock.wall - 1h);
  auto const owned = [&](std::string const& name, std::string const& owner) {
    return boost::json::object{
        {"name", name},
        {"namespace", "default"},
        {"labels", *sim::member_of(get(kDeployments, workers), "spec.template.metadata.labels")},
        {"ownerReferences", boost::json::array{boost::json::object{{"uid", owner}, {"controller", true}}}}};
  };
  auto const uid = sim::text_of(get(kDeployments, workers), "metadata.uid");
  server.create(kReplicaSets,
                {{"apiVersion", "apps/v1"}, {"kind", "ReplicaSet"}, {"metadata", owned("set", uid)}},
                clock.wall);
  auto const set = sim::text_of(get(kReplicaSets, {"default", "set"}), "metadata.uid");
  boost::json::object const ready{{"type", "Ready"}, {"status", "False"}, {"lastTransitionTime", long_ago}};
  boost::json::object const running{{"running", boost::json::object{{"startedAt", long_ago}}}};
  boost::json::object const container{{"name", "worker"}, {"restartCount", 0}, {"state", running}};
  boost::json::object const status{{"phase", "Running"},
                                   {"conditions", boost::json::array{ready}},
                                   {"containerStatuses", boost::json::array{container}}};
  server.create(kPods,
                {{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", owned("pod", set)}, {"status", status}},
                clock.wall);
  auto const seen_at = clock.wall;
  pass(100s);
  auto const seen = observe();
  REQUIRE(seen.workers.size() == 1);
  REQUIRE(seen.workers[0].not_ready_since.has_value());
  CHECK(*seen.workers[0].not_ready_since >= seen_at);
  CHECK(*seen.workers[0].not_ready_since < seen_at + 5s);
}

TEST_CASE_METHOD(Backed, "a status written without a decision keeps the sentences of the last one") {
  start();
  api::Status status;
  status.last_decision.emplace();
  status.last_decision->id = "first";
  api::Explanation const explanation{"2 wait", "the load 3", "", "enough", ""};
  auto const sentences = [this] {
    auto const object = get(kInferenceServices, {"default", "s"});
    return api::explanation_from_json(*find_member(object, "status.lastDecision"));
  };
  REQUIRE(apply({plan::WriteStatus{status, explanation}}).has_value());
  REQUIRE(sentences() == explanation);
  status.replicas = 3;
  REQUIRE(apply({plan::WriteStatus{status}}).has_value());
  CHECK(sentences() == explanation);
  CHECK(sim::number_of(get(kInferenceServices, {"default", "s"}), "status.replicas") == 3);
  // Of another decision they would be wrong.
  status.last_decision->id = "second";
  REQUIRE(apply({plan::WriteStatus{status}}).has_value());
  CHECK(sentences() == api::Explanation{});
}

TEST_CASE_METHOD(Backed, "the status is written once, and not for a service made anew under the name") {
  start();
  api::Status status;
  status.replicas = 3;
  auto const seen = observe();
  REQUIRE(await(backend.apply(seen, {plan::WriteStatus{status}})).has_value());
  CHECK(sim::number_of(get(kInferenceServices, {"default", "s"}), "status.replicas") == 3);
  auto const before = writes;
  REQUIRE(await(backend.apply(seen, {plan::WriteStatus{status}})).has_value());
  CHECK(writes == before);
  send("DELETE", object_path(kInferenceServices, {"default", "s"}));
  make_service(*this, "s");
  status.replicas = 4;
  auto const late = await(backend.apply(seen, {plan::WriteStatus{status}}));
  CHECK(late.has_error());
  CHECK(sim::number_of(get(kInferenceServices, {"default", "s"}), "status.replicas") == 0);
}

TEST_CASE_METHOD(Backed,
                 "without the cluster's keys no dispatcher is made, and the workers are all the same") {
  server.serve_document(std::string(kKeysPath), boost::json::object{{"keys", boost::json::array{}}});
  start();
  auto const done = apply({plan::EnsureDispatcher{1}, plan::EnsureWorkers{1}});
  REQUIRE(done.has_error());
  CHECK_FALSE(has(kDeployments, {"default", dispatcher_name("s")}));
  CHECK(replicas() == 1);
  serve_keys();
  pass(5s);
  REQUIRE(apply({plan::EnsureDispatcher{1}}).has_value());
  CHECK(has(kDeployments, {"default", dispatcher_name("s")}));
}
