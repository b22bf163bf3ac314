#include "operator/backend/kube/protocol/owned_fields.hpp"
#include "tests/sim/api/requests.hpp"

#include <catch2/catch.hpp>

using namespace ei::sim;

namespace {

std::string deployment(std::string const& containers, std::string const& more = {}) {
  return R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","labels":{"a":"b"}},)"
         R"("spec":{"replicas":2,"selector":{"matchLabels":{"a":"b"}},"template":{"spec":{"containers":)" +
         containers + "}}" + more + "}}";
}

std::string const kPath = std::string(kDeploys) + "/d";

}  // namespace

TEST_CASE("an apply creates, and the same again writes nothing") {
  Requests api;
  auto const body = deployment(R"([{"name":"c","image":"i"}])");
  CHECK(api.apply(kPath, "me", body).status == 201);
  auto const before = text_of(api.get(kPath), "metadata.resourceVersion");
  api.now += std::chrono::hours(1);
  CHECK(api.apply(kPath, "me", body).status == 200);
  CHECK(text_of(api.get(kPath), "metadata.resourceVersion") == before);
}

TEST_CASE("what is extracted as owned is what was applied, whatever the server and others add") {
  Requests api;
  auto const body =
      deployment(R"([{"name":"c","image":"i","args":["x"],"ports":[{"containerPort":1,"protocol":"TCP"}]}])");
  REQUIRE(api.apply(kPath, "me", body).status == 201);
  REQUIRE(api.merge(kPath + "?fieldManager=other", R"({"metadata":{"labels":{"z":"y"}}})").status == 200);
  auto const owned = ei::kube::extract_owned(api.get(kPath), "me");
  CHECK(ei::kube::owned_digest(owned) == ei::kube::owned_digest(boost::json::parse(body)));
}

TEST_CASE("a field that is not applied any more goes, unless somebody else holds it") {
  Requests api;
  REQUIRE(api.apply(kMap, "me", config_map("a", R"({"k":"1","l":"1"})")).status == 201);
  REQUIRE(api.apply(kMap, "other", config_map("a", R"({"l":"1"})")).status == 200);
  REQUIRE(api.apply(kMap, "me", config_map("a", "{}")).status == 200);
  auto const left = api.get(kMap);
  CHECK(member_of(left, "data.k") == nullptr);
  CHECK(text_of(left, "data.l") == "1");
}

TEST_CASE("another's value is a conflict, and force takes it") {
  Requests api;
  REQUIRE(api.apply(kMap, "other", config_map("a", R"({"k":"1"})")).status == 201);
  auto const refused = api.apply(kMap, "me", config_map("a", R"({"k":"2"})"));
  CHECK(refused.status == 409);
  CHECK(Requests::reason(refused) == "Conflict");
  CHECK(text_of(api.get(kMap), "data.k") == "1");
  CHECK(api.apply(kMap, "me", config_map("a", R"({"k":"2"})"), true).status == 200);
  CHECK(text_of(api.get(kMap), "data.k") == "2");
  CHECK(ei::kube::extract_owned(api.get(kMap), "other").is_null());
}

TEST_CASE("an edit takes its fields away from who applied them") {
  Requests api;
  REQUIRE(api.apply(kMap, "me", config_map("a", R"({"k":"1","l":"1"})")).status == 201);
  REQUIRE(api.merge(std::string(kMap) + "?fieldManager=kubectl", R"({"data":{"k":"9"}})").status == 200);
  auto const owned = ei::kube::extract_owned(api.get(kMap), "me");
  CHECK(text_of(owned.as_object(), "data.l") == "1");
  CHECK(member_of(owned.as_object(), "data.k") == nullptr);
}

TEST_CASE("a scale takes the count, and the next apply takes it back") {
  Requests api;
  auto const body = deployment(R"([{"name":"c","image":"i"}])");
  REQUIRE(api.apply(kPath, "me", body).status == 201);
  REQUIRE(api.merge(kPath + "/scale?fieldManager=me", R"({"spec":{"replicas":5}})").status == 200);
  CHECK(member_of(ei::kube::extract_owned(api.get(kPath), "me").as_object(), "spec.replicas") == nullptr);
  REQUIRE(api.apply(kPath, "me", body, true).status == 200);
  CHECK(number_of(api.get(kPath), "spec.replicas") == 2);
}

TEST_CASE("items of a list are told apart by their keys") {
  Requests api;
  REQUIRE(api.apply(kPath, "me", deployment(R"([{"name":"c","image":"i"}])")).status == 201);
  REQUIRE(api.apply(kPath, "other", deployment(R"([{"name":"s","image":"j"}])")).status == 200);
  auto const both = api.get(kPath);
  CHECK(member_of(both, "spec.template.spec.containers")->as_array().size() == 2);
  REQUIRE(api.apply(kPath, "other", deployment("[]")).status == 200);
  auto const one = api.get(kPath);
  CHECK(member_of(one, "spec.template.spec.containers")->as_array().size() == 1);
}

TEST_CASE("an apply by a subresource never creates, and one for another object of the name is refused") {
  Requests api;
  CHECK(api.apply(kPath + "/status", "me", deployment("[]")).status == 404);
  REQUIRE(api.apply(kPath, "me", deployment("[]")).status == 201);
  auto const stale = R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","uid":"x"}})";
  CHECK(api.apply(kPath + "/status", "me", stale, true).status == 422);
}
