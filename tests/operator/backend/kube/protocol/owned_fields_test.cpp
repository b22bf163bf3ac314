#include "operator/backend/kube/protocol/owned_fields.hpp"

#include "runtime/core/json.hpp"

#include <catch2/catch.hpp>

using namespace ei::kube;
namespace json = boost::json;

namespace {

// As an API server answers the apply below: with defaults, a status, and what kubectl and others own.
constexpr std::string_view kLive = R"({
 "apiVersion": "apps/v1", "kind": "Deployment",
 "metadata": {"name": "w", "namespace": "ns", "uid": "u", "resourceVersion": "7", "generation": 2,
  "labels": {"app": "w", "added-by": "someone"},
  "managedFields": [
   {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
    "fieldsV1": {"f:metadata": {"f:labels": {"f:added-by": {}}}}},
   {"manager": "us", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
    "fieldsV1": {"f:metadata": {"f:labels": {"f:app": {}}},
     "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {
       "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:args": {}, "f:image": {}, "f:name": {},
          "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}}}}},
   {"manager": "us", "operation": "Apply", "subresource": "status", "apiVersion": "apps/v1",
    "fieldsV1": {"f:status": {"f:replicas": {}}}}]},
 "spec": {"replicas": 2, "revisionHistoryLimit": 10, "template": {"spec": {"restartPolicy": "Always", "containers": [
   {"name": "injected", "image": "sidecar"},
   {"name": "c", "image": "i", "args": ["--x", "--y"], "imagePullPolicy": "IfNotPresent",
    "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}}},
 "status": {"replicas": 2}})";

constexpr std::string_view kApplied = R"({
 "apiVersion": "apps/v1", "kind": "Deployment",
 "metadata": {"namespace": "ns", "name": "w", "labels": {"app": "w"}},
 "spec": {"template": {"spec": {"containers": [
   {"name": "c", "args": ["--x", "--y"], "image": "i", "ports": [{"containerPort": 80}]}]}}, "replicas": 2}})";

json::object live() {
  return ei::parse_json(kLive).value().as_object();
}

}  // namespace

TEST_CASE("what we own of a live object digests to what we applied") {
  auto const owned = extract_owned(live(), "us");
  CHECK(owned_digest(owned) == owned_digest(ei::parse_json(kApplied).value()));
}

TEST_CASE("drift in an owned field shows, what others add does not") {
  auto const before = owned_digest(extract_owned(live(), "us"));
  auto changed = live();
  changed["spec"].at("revisionHistoryLimit") = 3;
  changed["metadata"].at("labels").as_object()["more"] = "x";
  CHECK(owned_digest(extract_owned(changed, "us")) == before);

  // kubectl scale: the value changes and the field is no longer ours.
  changed = live();
  changed["spec"].at("replicas") = 5;
  auto& ours = changed["metadata"].at("managedFields").at(1).at("fieldsV1").at("f:spec").as_object();
  ours.erase("f:replicas");
  CHECK(owned_digest(extract_owned(changed, "us")) != before);

  changed = live();
  changed["spec"].at("template").at("spec").at("containers").at(1).as_object()["image"] = "other";
  CHECK(owned_digest(extract_owned(changed, "us")) != before);

  changed = live();
  changed["spec"].at("template").at("spec").at("containers").at(1).as_object()["args"] = {"--y", "--x"};
  CHECK(owned_digest(extract_owned(changed, "us")) != before);
}

TEST_CASE("a manager that owns nothing gets nothing") {
  CHECK(extract_owned(live(), "them").is_null());
  CHECK(extract_owned({}, "us").is_null());
}

TEST_CASE("members' order does not matter to the digest, items' order does") {
  auto const digest = [](std::string_view text) { return owned_digest(ei::parse_json(text).value()); };
  CHECK(digest(R"({"a":1,"b":{"c":[1,2],"d":"x"}})") == digest(R"({"b":{"d":"x","c":[1,2]},"a":1})"));
  CHECK(digest(R"({"a":[1,2]})") != digest(R"({"a":[2,1]})"));
  CHECK(digest(R"({"a":"1"})") != digest(R"({"a":1})"));
  CHECK(digest(R"({"a":["b"],"c":[]})") != digest(R"({"a":[],"c":["b"]})"));
}
