#include "operator/manifest/manifest.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <filesystem>

#include "operator/manifest/scalar.hpp"

namespace json = boost::json;
namespace manifest = ei::manifest;

namespace {

json::value only_value(std::string const& yaml) {
  auto const documents = manifest::parse_yaml(yaml);
  INFO((documents.has_error() ? documents.error().message : std::string{}));
  REQUIRE(documents.has_value());
  REQUIRE(documents->size() == 1);
  return documents->front().value;
}

std::string fault(std::string const& yaml) {
  auto const documents = manifest::parse_yaml(yaml);
  return documents.has_error() ? documents.error().message : "";
}

}  // namespace

TEST_CASE("Plain scalars have the type that kubectl gives them") {
  struct Row {
    std::string text;
    std::string json;
  };
  auto const row = GENERATE(values<Row>({
      {"", "null"},
      {"~", "null"},
      {"null", "null"},
      {"true", "true"},
      {"False", "false"},
      {"yes", "true"},
      {"off", "false"},
      {"y", "\"y\""},
      {"12", "12"},
      {"-7", "-7"},
      {"+7", "7"},
      {"0x1F", "31"},
      {"0o17", "15"},
      {"017", "15"},
      {"0b101", "5"},
      {"089", "8.9E1"},
      {"1_000", "1000"},
      {"--1", "\"--1\""},
      {"-", "\"-\""},
      {"1.5", "1.5E0"},
      {".5", "5E-1"},
      {"1e3", "1E3"},
      {"150s", "\"150s\""},
      {"1Gi", "\"1Gi\""},
      {"1.2.3", "\"1.2.3\""},
      {"inf", "\"inf\""},
      {".inf", "\".inf\""},
      {".", "\".\""},
      {"e", "\"e\""},
      {"2026-01-01", "\"2026-01-01\""},
      {"0", "0"},
      {"truely", "\"truely\""},
  }));
  INFO(row.text);
  CHECK(json::serialize(manifest::plain_scalar(row.text)) == row.json);
}

TEST_CASE("Quoted scalars stay strings") {
  CHECK(only_value("a: \"5\"\nb: '1'\nc: !!str 7\nd: |\n  12\n") ==
        json::parse(R"({"a": "5", "b": "1", "c": "7", "d": "12\n"})"));
}

TEST_CASE("JSON is YAML") {
  auto const text = R"({"a": [1, 2.5, "x", null, true], "b": {}})";
  CHECK(only_value(text) == json::parse(text));
}

TEST_CASE("Anchors, aliases and merge keys are expanded, and a map's own keys win") {
  CHECK(only_value("base: &b {x: 1, y: 2}\nuse: *b\nmore:\n  y: 9\n  <<: *b\n") ==
        json::parse(R"({"base": {"x": 1, "y": 2}, "use": {"x": 1, "y": 2}, "more": {"y": 9, "x": 1}})"));
}

TEST_CASE("What cannot be JSON is refused with its line") {
  CHECK(fault("a: 1\nb: 2\na: 3\n") == "3: a: the key is there twice");
  CHECK(fault("a:\n  b: 1\n  b: 1\n") == "3: a.b: the key is there twice");
  CHECK(fault("? [1]\n: 2\n") == "1: a key must be a scalar");
  CHECK(fault("a: !Ref x\n") == "1: unknown tag !Ref");
  CHECK(fault("a: [1\nb: 2\n").substr(0, 2) == "2:");
  CHECK_FALSE(fault("a: *nowhere\n").empty());
}

TEST_CASE("A few lines of nested aliases do not fill the memory") {
  std::string yaml = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int level = 1; level < 12; ++level) {
    auto const below = "*l" + std::to_string(level - 1);
    yaml += "l" + std::to_string(level) + ": &l" + std::to_string(level) + " [";
    for (int i = 0; i < 10; ++i) yaml += (i ? ", " : "") + below;
    yaml += "]\n";
  }
  auto const documents = manifest::parse_yaml(yaml);
  REQUIRE(documents.has_error());
  CHECK(documents.error().kind == ei::ErrorKind::Protocol);
}

TEST_CASE("Several services may stand in one file, and each fault names file and line") {
  auto const contents = manifest::read_text(R"(# two services
apiVersion: elasticinference.dev/v1alpha1
kind: InferenceService
metadata: {name: first}
---
---
apiVersion: elasticinference.dev/v1alpha1
kind: InferenceService
metadata:
  name: second
spec:
  scaling:
    queueTarget: 50
    minReplicas: 9
    cooldwn: 10s
)",
                                            "two.yaml");
  REQUIRE(contents.has_value());
  auto const& entries = contents->entries;
  REQUIRE(entries.size() == 2);
  CHECK(entries.at(0).parsed.service->metadata.name == "first");
  CHECK(entries.at(1).metadata.name == "second");
  CHECK(entries.at(1).errors ==
        std::vector<std::string>{
            "two.yaml:14: spec.scaling.minReplicas: Invalid value: 9: must be at most maxReplicas (6)",
            "two.yaml:15: spec.scaling.cooldwn: unknown field, did you mean \"cooldown\"?"});
}

TEST_CASE("What belongs to another API is skipped and told, what is meant for this one is not") {
  auto const contents = manifest::read_text(R"(apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: a}
---
apiVersion: v1
kind: ConfigMap
---
apiVersion: elasticinference.dev/v1alpha1
kind: InferenceService
metadata: {name: a}
)",
                                            "hpa.yaml");
  REQUIRE(contents.has_value());
  CHECK(contents->entries.size() == 1);
  CHECK(contents->skipped ==
        std::vector<std::string>{
            "hpa.yaml:1: autoscaling/v2 HorizontalPodAutoscaler is skipped: only a cluster acts on it",
            "hpa.yaml:5: v1 ConfigMap is skipped: only a cluster acts on it"});
  for (std::string const mistaken :
       {"apiVersion: elasticinference.dev/v1alpha1\nkind: InferenceServise", "kind: InferenceService",
        "apiVersion: elasticinference.dev/v1\nkind: InferenceService", "kind: ConfigMap", "a: b", "just text",
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService", "apiVersion: 1\nkind: ConfigMap"}) {
    INFO(mistaken);
    auto const read = manifest::read_text(mistaken, "a.yaml");
    REQUIRE(read.has_value());
    CHECK(read->skipped.empty());
    REQUIRE(read->entries.size() == 1);
    CHECK_FALSE(read->entries.front().errors.empty());
  }
}

TEST_CASE("A file without any document, or that is none, says so") {
  CHECK(manifest::read_text("", "a.yaml").error().message == "a.yaml:1: no InferenceService in this file");
  CHECK(manifest::read_text("# nothing\n---\n", "a.yaml").has_error());
  CHECK(manifest::read_text("x: [", "a.yaml").error().message.rfind("a.yaml:", 0) == 0);
  CHECK(manifest::read_file("/nonexistent/a.yaml").error().kind == ei::ErrorKind::NotFound);
}

TEST_CASE("A text in which yaml-cpp finds documents for ever is refused where they begin") {
  // Found by fuzzing: after the map of its third line the parser stays where it is.
  std::string const text =
      "- a\n- !!str 5\xB5"
      "ce:\n        name: cpu\n''s'\n, |\n  text\n";
  auto const documents = manifest::parse_yaml(text);
  REQUIRE(documents.has_error());
  CHECK(documents.error().kind == ei::ErrorKind::Invalid);
  CHECK(only_value("a: 1\n---\n---\n---\n---") == json::value{{"a", 1}});
}

TEST_CASE("The shipped samples are valid") {
  int read = 0;
  auto const folder = std::filesystem::path(EI_SOURCE_DIR) / "crds" / "samples";
  if (!std::filesystem::exists(folder)) return;
  for (auto const& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() != ".yaml") continue;
    auto const contents = manifest::read_file(file.path());
    REQUIRE(contents.has_value());
    for (auto const& entry : contents->entries) {
      INFO(file.path().string());
      CHECK(entry.errors.empty());
      ++read;
    }
  }
  CHECK(read > 0);
}

TEST_CASE("A List, as kubectl get -o yaml writes it, is as good as its items") {
  auto const read = manifest::read_text(
      "apiVersion: v1\n"
      "items:\n"
      "- apiVersion: elasticinference.dev/v1alpha1\n"
      "  kind: InferenceService\n"
      "  metadata: {name: a, namespace: one, uid: u, resourceVersion: \"7\", generation: 3}\n"
      "  spec: {replicas: 1}\n"
      "  status: {observedGeneration: 3}\n"
      "- apiVersion: elasticinference.dev/v1alpha1\n"
      "  kind: InferenceService\n"
      "  metadata: {name: b, namespace: two}\n"
      "  spec:\n"
      "    scaling:\n"
      "      minReplicas: -1\n"
      "- apiVersion: v1\n"
      "  kind: Service\n"
      "  metadata: {name: c}\n"
      "kind: List\n"
      "metadata: {resourceVersion: \"\"}\n",
      "all.yaml");
  REQUIRE(read.has_value());
  REQUIRE(read->entries.size() == 2);
  CHECK(read->entries[0].metadata.key() == ei::api::ServiceKey{"one", "a"});
  CHECK(read->entries[0].errors.empty());
  REQUIRE(read->entries[1].errors.size() == 1);
  CHECK(read->entries[1].errors[0].starts_with("all.yaml:13: spec.scaling.minReplicas: "));
  REQUIRE(read->skipped.size() == 1);
  CHECK(read->skipped[0].starts_with("all.yaml:14: v1 Service"));
  auto const broken = manifest::read_text("apiVersion: v1\nkind: List\nitems: {}\n", "all.yaml");
  REQUIRE(broken.has_error());
  CHECK(broken.error().message == "all.yaml:1: items: must be the list's objects");
}
