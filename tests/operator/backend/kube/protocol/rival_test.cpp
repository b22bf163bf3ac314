#include "operator/backend/kube/protocol/rival.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace ei::kube;
namespace json = boost::json;

namespace {

constexpr char const* kUs = "elastic-inference-operator";

json::object const kApplied = json::parse(R"({
  "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "labels": {"l": "1"}},
  "spec": {"replicas": 2, "template": {"spec": {"containers": [
    {"name": "worker", "image": "w:1", "args": ["--a", "--b"], "ports": [{"containerPort": 80}]}]}}}})")
                                  .as_object();

json::object live(std::string const& managers, auto change) {
  auto object = kApplied;
  object["metadata"].as_object()["managedFields"] = json::parse(managers);
  change(object);
  return object;
}

json::object& worker(json::object& object) {
  return object["spec"].at("template").at("spec").at("containers").at(0).as_object();
}

std::string const kOurs =
    R"({"manager": "elastic-inference-operator", "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1":
        {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers":
          {"k:{\"name\":\"worker\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}}})";

}  // namespace

TEST_CASE("Who changes a field back is named by the field that it owns") {
  auto const theirs =
      R"(,{"manager": "argocd-controller", "operation": "Apply", "time": "2026-01-01T00:00:01Z",
    "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"worker\"}": {"f:image": {}}}}}}}})";
  auto const object =
      live("[" + kOurs + theirs + "]", [](json::object& found) { worker(found)["image"] = "other:1"; });
  auto const rival = find_rival(kApplied, object, kUs);
  CHECK(rival == Rival{"argocd-controller", "spec.template.spec.containers[worker].image"});
  CHECK(to_string(rival, "Deployment a", kUs) ==
        "Deployment a is changed back again and again: the field manager \"argocd-controller\" sets "
        "spec.template.spec.containers[worker].image. Remove this field from what it writes, or exclude this "
        "object there. It is put right after a wait of at most a minute, with the next decision "
        "(spec.scaling.interval)");
}

TEST_CASE("A writer of the scale subresource is named too") {
  auto const theirs =
      R"(,{"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale",
    "time": "2026-01-01T00:00:01Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}})";
  auto const object = live("[" + kOurs + theirs + "]",
                           [](json::object& found) { found["spec"].as_object()["replicas"] = 7; });
  CHECK(find_rival(kApplied, object, kUs) == Rival{"kube-controller-manager", "spec.replicas"});
}

TEST_CASE("A field of its own that differs is another operator's") {
  auto const object =
      live("[" + kOurs + "]", [](json::object& found) { worker(found)["image"] = "other:1"; });
  auto const rival = find_rival(kApplied, object, kUs);
  CHECK(rival == Rival{kUs, "spec.template.spec.containers[worker].image"});
  CHECK(to_string(rival, "Deployment a", kUs).find("another operator") != std::string::npos);
}

TEST_CASE("Of a field that is gone nobody is the owner: the last other writer is named") {
  auto const theirs = R"(,{"manager": "early", "time": "2026-01-01T00:00:01Z", "fieldsV1": {}},
    {"manager": "late", "time": "2026-01-01T00:00:09Z", "fieldsV1": {"f:metadata": {"f:annotations": {}}}},
    {"manager": "kubelet", "subresource": "status", "time": "2026-01-01T01:00:00Z", "fieldsV1": {}})";
  auto const object =
      live("[" + kOurs + theirs + "]", [](json::object& found) { worker(found).erase("args"); });
  CHECK(find_rival(kApplied, object, kUs) == Rival{"late", "spec.template.spec.containers[worker].args"});
}

TEST_CASE("Items that were added to a list of ours make it differ, and members that were added do not") {
  auto const more = live("[]", [](json::object& found) {
    worker(found)["args"].as_array().emplace_back("--c");
    found["spec"].as_object()["paused"] = true;
  });
  CHECK(find_rival(kApplied, more, kUs) == Rival{"", "spec.template.spec.containers[worker].args"});
  auto const same = live("[]", [](json::object& found) { found["spec"].as_object()["paused"] = true; });
  CHECK(find_rival(kApplied, same, kUs) == Rival{});
}
