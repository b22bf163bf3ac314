#include "tests/sim/api/requests.hpp"

#include <catch2/catch.hpp>

using namespace ei::sim;

TEST_CASE("an object that is created gets an identity and a version, and is there") {
  Requests api;
  auto const made = api.send("POST", kMaps, config_map("a", R"({"k":"1"})"));
  CHECK(made.status == 201);
  auto const found = api.get(kMap);
  CHECK_FALSE(text_of(found, "metadata.uid").empty());
  CHECK_FALSE(text_of(found, "metadata.resourceVersion").empty());
  CHECK(text_of(found, "metadata.namespace") == "default");
  CHECK(text_of(found, "data.k") == "1");
}

TEST_CASE("every refusal has its status and reason") {
  Requests api;
  REQUIRE(api.send("POST", kMaps, config_map("a", "{}")).status == 201);
  struct Row {
    char const* why;
    std::string method, target, body;
    int status;
    std::string reason;
  };
  std::string const lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
  std::string const body =
      R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l"}})";
  REQUIRE(api.send("POST", lease, body).status == 201);
  auto const row =
      GENERATE_COPY(Row{"a missing object", "GET", std::string(kMaps) + "/none", "", 404, "NotFound"},
                    Row{"a kind that is not served", "GET", "/apis/nobody.example/v1/things", "", 404, ""},
                    Row{"a name that is taken", "POST", kMaps, config_map("a", "{}"), 409, "AlreadyExists"},
                    Row{"a version that is old", "PUT", kMap,
                        config_map("a", "{}", R"(,"resourceVersion":"1")"), 409, "Conflict"},
                    Row{"an update of nothing", "PUT", std::string(kMaps) + "/none", config_map("none", "{}"),
                        404, "NotFound"},
                    Row{"a lease without a version", "PUT", lease + "/l", body, 422, "Invalid"},
                    Row{"a removal of nothing", "DELETE", std::string(kMaps) + "/none", "", 404, "NotFound"},
                    Row{"a removal of another one of the name", "DELETE", kMap,
                        R"({"preconditions":{"uid":"x"}})", 409, "Conflict"},
                    Row{"a body that is no JSON", "POST", kMaps, "{", 400, "BadRequest"},
                    Row{"no name", "POST", kMaps, R"({"kind":"ConfigMap","metadata":{}})", 422, "Invalid"},
                    Row{"a version that is no number", "GET", std::string(kMaps) + "?resourceVersion=x", "",
                        400, "BadRequest"},
                    Row{"a version that is not there yet", "GET",
                        std::string(kMaps) + "?resourceVersion=999999", "", 504, "Timeout"});
  CAPTURE(row.why);
  auto const answer = api.send(row.method, row.target, row.body);
  CHECK(answer.status == row.status);
  CHECK(Requests::reason(answer) == row.reason);
}

TEST_CASE("a write that changes nothing leaves the version") {
  Requests api;
  api.send("POST", kMaps, config_map("a", R"({"k":"1"})"));
  auto const before = text_of(api.get(kMap), "metadata.resourceVersion");
  CHECK(api.merge(kMap, R"({"data":{"k":"1"}})").status == 200);
  CHECK(text_of(api.get(kMap), "metadata.resourceVersion") == before);
  CHECK(api.merge(kMap, R"({"data":{"k":"2"}})").status == 200);
  CHECK(text_of(api.get(kMap), "metadata.resourceVersion") != before);
}

TEST_CASE("pages show the collection as it was at the first") {
  Requests api;
  for (auto const* name : {"a", "b", "c"}) api.send("POST", kMaps, config_map(name, "{}"));
  auto const first = api.get(std::string(kMaps) + "?limit=2");
  CHECK(member_of(first, "items")->as_array().size() == 2);
  auto const token = text_of(first, "metadata.continue");
  REQUIRE_FALSE(token.empty());
  api.send("POST", kMaps, config_map("d", "{}"));
  auto const rest = api.get(std::string(kMaps) + "?limit=2&continue=" + token);
  CHECK(member_of(rest, "items")->as_array().size() == 1);
  CHECK(text_of(rest, "metadata.continue").empty());
  CHECK(text_of(rest, "metadata.resourceVersion") == text_of(first, "metadata.resourceVersion"));
}

TEST_CASE("a page after a restart is Gone") {
  Requests api;
  for (auto const* name : {"a", "b"}) api.send("POST", kMaps, config_map(name, "{}"));
  auto const token = text_of(api.get(std::string(kMaps) + "?limit=1"), "metadata.continue");
  api.send("POST", kMaps, config_map("c", "{}"));
  api.server.restart();
  CHECK(api.send("GET", std::string(kMaps) + "?continue=" + token).status == 410);
}

TEST_CASE("the status is written by its subresource alone, and only the rest counts generations") {
  Requests api;
  std::string const path = "/apis/elasticinference.dev/v1alpha1/namespaces/default/inferenceservices";
  std::string const body =
      R"({"apiVersion":"elasticinference.dev/v1alpha1","kind":"InferenceService","metadata":{"name":"s"},)"
      R"("spec":{"replicas":1},"status":{"replicas":7}})";
  REQUIRE(api.send("POST", path, body).status == 201);
  CHECK(member_of(api.get(path + "/s"), "status") == nullptr);
  CHECK(api.merge(path + "/s/status", R"({"status":{"replicas":2},"spec":{"replicas":9}})").status == 200);
  auto const told = api.get(path + "/s");
  CHECK(number_of(told, "status.replicas") == 2);
  CHECK(number_of(told, "spec.replicas") == 1);
  CHECK(number_of(told, "metadata.generation") == 1);
  CHECK(api.merge(path + "/s", R"({"spec":{"replicas":3},"status":{"replicas":5}})").status == 200);
  auto const edited = api.get(path + "/s");
  CHECK(number_of(edited, "metadata.generation") == 2);
  CHECK(number_of(edited, "status.replicas") == 2);
}

TEST_CASE("the scale subresource reads and writes the count") {
  Requests api;
  std::string const body = R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},)"
                           R"("spec":{"replicas":1,"selector":{"matchLabels":{"a":"b"}}}})";
  REQUIRE(api.send("POST", kDeploys, body).status == 201);
  auto const path = std::string(kDeploys) + "/d";
  CHECK(number_of(api.get(path + "/scale"), "spec.replicas") == 1);
  CHECK(api.merge(path + "/scale", R"({"spec":{"replicas":4}})").status == 200);
  CHECK(number_of(api.get(path), "spec.replicas") == 4);
  auto const refused = api.merge(path, R"({"spec":{"selector":{"matchLabels":{"a":"c"}}}})");
  CHECK(refused.status == 422);
}
