#include "operator/api/parse.hpp"
#include "operator/api/names.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

#include "runtime/core/origin.hpp"

namespace api = ei::api;
namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

/// A service whose spec is `spec`, written as JSON.
json::value object_with(std::string const& spec) {
  return json::parse(R"({"apiVersion": "elasticinference.dev/v1alpha1", "kind": "InferenceService",
                         "metadata": {"name": "resnet18"}, "spec": )" +
                     spec + "}");
}

std::vector<std::string> faults_of(json::value const& object) {
  std::vector<std::string> texts;
  for (auto const& error : api::parse_service(object).errors) texts.push_back(to_string(error));
  return texts;
}

}  // namespace

TEST_CASE("A manifest without a spec gets every default") {
  auto const parsed = api::parse_service(
      json::parse(R"({"apiVersion": "elasticinference.dev/v1alpha1", "kind": "InferenceService",
                      "metadata": {"name": "a"}})"));
  REQUIRE(parsed.service);
  CHECK(parsed.service->spec == api::Spec{});
  CHECK(parsed.service->metadata.key() == api::ServiceKey{"default", "a"});
}

TEST_CASE("The four classic fields alone make a service under the default policy") {
  auto const parsed = api::parse_service(object_with(
      R"({"scaling": {"queueTarget": 20, "minReplicas": 2, "maxReplicas": 4, "cooldown": "1m30s"}})"));
  REQUIRE(parsed.service);
  auto const& scaling = parsed.service->spec.scaling;
  CHECK(scaling.queue_target == 20);
  CHECK(scaling.min_replicas == 2);
  CHECK(scaling.max_replicas == 4);
  CHECK(scaling.cooldown == 90s);
  CHECK(scaling.policy == ei::scaling::Policy::Latency);
  CHECK(scaling.interval == 1s);
}

TEST_CASE("The classic rule runs every 15 seconds unless the manifest says otherwise") {
  auto const interval = [](std::string const& spec) {
    return api::parse_service(object_with(spec)).service->spec.scaling.interval;
  };
  CHECK(interval(R"({"scaling": {"policy": "QueueRatio"}})") == 15s);
  CHECK(interval(R"({"scaling": {"policy": "QueueRatio", "interval": "2s"}})") == 2s);
}

TEST_CASE("What is written is read back equal") {
  auto const parsed = api::parse_service(object_with(R"({
    "model": {"name": "m.1", "uri": "https://example.org/w.pth", "labels": "https://example.org/l", "precision": "bf16",
              "uriQuerySecret": "signed", "labelsQuerySecret": "a.b",
              "sha256": "F37072FD47E89C5E827621C5BAFFA7500819F7896BBACEC160B1A16C560E07EC"},
    "scaling": {"policy": "External", "paused": true, "onMetricsLoss": "ScaleToMax", "latencyTarget": "250ms",
                "advisors": ["Hpa70", "Kpa"]},
    "dispatcher": {"replicas": 2, "queueCapacity": 7, "maxConnectionsPerAddress": 0, "requestTimeout": "5s",
                   "limits": {"maxBytes": 100000, "maxPixels": 200000}, "batch": {"maxSize": 8, "maxDelay": "5ms"},
                   "cors": {"allowedOrigins": ["https://app.example.com", "http://localhost:3000"]}},
    "worker": {"image": "r/w:1", "resources": {"cpu": "0.5", "memory": "512Mi"}, "nodeSelector": {"disk": "ssd"},
               "tolerations": [{"key": "gpu"}], "affinity": {"nodeAffinity": {}}},
    "replicas": 3})"));
  INFO(to_string(parsed.errors));
  REQUIRE(parsed.service);
  CHECK(parsed.service->spec.model.sha256.substr(0, 8) == "f37072fd");
  CHECK(ei::parse_quantity_milli(parsed.service->spec.worker.resources.cpu).value() == 500);
  CHECK(parsed.service->spec.scaling.external_replicas == 3);
  auto const again = api::parse_service(to_json(*parsed.service));
  REQUIRE(again.service);
  CHECK(*again.service == *parsed.service);
}

TEST_CASE("A webhook is read back equal") {
  auto const parsed =
      api::parse_service(object_with(R"({"scaling": {"policy": "Webhook", "interval": "2s", "webhook": {
    "url": "https://policy.default.svc/decide", "timeout": "1500ms", "onFailure": "Latency",
    "caBundle": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg=="}}})"));
  INFO(to_string(parsed.errors));
  REQUIRE(parsed.service);
  REQUIRE(parsed.service->spec.webhook.size() == 1);
  CHECK(parsed.service->spec.webhook.front().timeout == 1500ms);
  CHECK(parsed.service->spec.webhook.front().ca_pem == "-----BEGIN CERTIFICATE-----\n");
  auto const again = api::parse_service(to_json(*parsed.service));
  REQUIRE(again.service);
  CHECK(*again.service == *parsed.service);
}

TEST_CASE("Every fault names the field, the value and what is allowed") {
  struct Row {
    std::string spec;
    std::string error;
    std::string why;
  };
  auto const row = GENERATE(values<Row>({
      {R"({"scaling": {"advisors": ["Kpa", "hpa70"]}})",
       "spec.scaling.advisors[1]: Invalid value: \"hpa70\": must be one of Latency, QueueRatio, Hpa70, "
       "Hpa90, "
       "Keda, Kpa, RayServe",
       "an advisor that nobody knows"},
      {R"({"scaling": {"advisors": ["Kpa", "Kpa"]}})", "spec.scaling.advisors[1]: Duplicate value: \"Kpa\"",
       "an advisor twice"},
      {R"({"scaling": {"policy": "QueueRatio", "prometheusQuery": "a", "advisors": ["Kpa"]}})",
       "spec.scaling.advisors: Forbidden: needs measurements of arrivals and service times, which the "
       "operator does not have with prometheusQuery",
       "advisors without measurements"},
      {R"({"scaling": {"queueTarget": 0}})",
       "spec.scaling.queueTarget: Invalid value: 0: must be an integer between 1 and 100000", "below"},
      {R"({"scaling": {"queueTarget": 100001}})",
       "spec.scaling.queueTarget: Invalid value: 100001: must be an integer between 1 and 100000", "above"},
      {R"({"scaling": {"queueTarget": "50"}})",
       "spec.scaling.queueTarget: Invalid value: \"50\": must be an integer between 1 and 100000",
       "no coercion"},
      {R"({"scaling": {"queueTarget": 1.5}})",
       "spec.scaling.queueTarget: Invalid value: 1.5: must be an integer between 1 and 100000", "a fraction"},
      {R"({"scaling": {"queueTarget": 5000000000}})",
       "spec.scaling.queueTarget: Invalid value: 5000000000: must be an integer between 1 and 100000",
       "over 32 bits"},
      {R"({"scaling": {"maxReplicas": 1001}})",
       "spec.scaling.maxReplicas: Invalid value: 1001: must be an integer between 1 and 1000", "above"},
      {R"({"scaling": {"minReplicas": 7}})",
       "spec.scaling.minReplicas: Invalid value: 7: must be at most maxReplicas (6)",
       "above the default maximum"},
      {R"({"scaling": {"minReplicas": -1}})",
       "spec.scaling.minReplicas: Invalid value: -1: must be an integer between 0 and 1000", "below none"},
      {R"({"scaling": {"minReplicas": 0, "maxReplicas": 0}})",
       "spec.scaling.maxReplicas: Invalid value: 0: must be an integer between 1 and 1000", "never any"},
      {R"({"scaling": {"idleAfter": "500ms"}})",
       "spec.scaling.idleAfter: Invalid value: \"500ms\": must be a duration between 1s and 24h",
       "between two requests of one client"},
      {R"({"scaling": {"policy": "QueueRatio", "minReplicas": 0, "prometheusQuery": "up"}})",
       "spec.scaling.prometheusQuery: Forbidden: needs minReplicas of at least 1: a query gives the queue's "
       "length alone, and not whether requests came",
       "nobody would tell whether it is idle"},
      {R"({"scaling": {"cooldown": 150}})",
       "spec.scaling.cooldown: Invalid value: 150: must be a duration between 0s and 1h, such as \"150s\" or "
       "\"1m30s\"",
       "a bare number has no unit"},
      {R"({"scaling": {"cooldown": "61m"}})",
       "spec.scaling.cooldown: Invalid value: \"61m\": must be a duration between 0s and 1h", "above"},
      {R"({"scaling": {"latencyTarget": "9ms"}})",
       "spec.scaling.latencyTarget: Invalid value: \"9ms\": must be a duration between 10ms and 1m", "below"},
      {R"({"scaling": {"interval": "50ms"}})",
       "spec.scaling.interval: Invalid value: \"50ms\": must be a duration between 100ms and 5m", "below"},
      {R"({"scaling": {"policy": "latency"}})",
       "spec.scaling.policy: Unsupported value: \"latency\": must be one of Latency, QueueRatio, External, "
       "Webhook",
       "case"},
      {R"({"scaling": {"paused": "yes"}})",
       "spec.scaling.paused: Invalid value: \"yes\": must be true or false", "a string is no boolean"},
      {R"({"scaling": {"queuTarget": 5}})",
       "spec.scaling.queuTarget: unknown field, did you mean \"queueTarget\"?", "a typing error"},
      {R"({"scaling": {"colour": 5}})", "spec.scaling.colour: unknown field", "nothing is near"},
      {R"({"scaling": []})", "spec.scaling: Invalid value: []: must be an object", "wrong shape"},
      {R"({"dispatcher": {"replicas": 11}})",
       "spec.dispatcher.replicas: Invalid value: 11: must be an integer between 1 and 10", "above"},
      {R"({"dispatcher": {"cors": {"allowedOrigins": "*"}}})",
       "spec.dispatcher.cors.allowedOrigins: Invalid value: \"*\": must be a list of at most 32 origins",
       "no list"},
      {R"({"dispatcher": {"cors": {"allowedOrigins": ["https://a.example", "https://b.example/"]}}})",
       "spec.dispatcher.cors.allowedOrigins[1]: Invalid value: \"https://b.example/\": must be \"*\" or " +
           std::string(ei::kOriginForm),
       "a path"},
      {R"({"dispatcher": {"cors": {"allowedOrigins": ["https://*.example"]}}})",
       "spec.dispatcher.cors.allowedOrigins[0]: Invalid value: \"https://*.example\": must be \"*\" or " +
           std::string(ei::kOriginForm),
       "a pattern"},
      {R"({"dispatcher": {"cors": {"allowedOrigins": ["*", "https://a.example"]}}})",
       "spec.dispatcher.cors.allowedOrigins: Invalid value: [\"*\",\"https://a.example\"]: must be \"*\" "
       "alone, or exact origins",
       "everybody and somebody"},
      {R"({"dispatcher": {"cors": {"allowedOrigin": []}}})",
       "spec.dispatcher.cors.allowedOrigin: unknown field, did you mean \"allowedOrigins\"?",
       "a typing error"},
      {R"({"dispatcher": {"queueCapacity": 0}})",
       "spec.dispatcher.queueCapacity: Invalid value: 0: must be an integer between 1 and 100000", "below"},
      {R"({"model": {"uri": "https://a.example/m", "uriQuerySecret": "A"}})",
       "spec.model.uriQuerySecret: Invalid value: \"A\": must be a Secret's name: at most 253 lower-case "
       "letters, "
       "digits, '-' and '.', a letter or digit at both ends of each part",
       "no Secret's name"},
      {R"({"model": {"uri": "https://a.example/m?a=b", "uriQuerySecret": "a"}})",
       "spec.model.uriQuerySecret: Forbidden: needs an https:// URI without a query or a fragment of its own",
       "two queries"},
      {R"({"model": {"labels": "file:///l", "labelsQuerySecret": "a"}})",
       "spec.model.labelsQuerySecret: Forbidden: needs an https:// URI without a query or a fragment of its "
       "own",
       "a file has no query"},
      {R"({"model": {"uri": "https://a.example/m?sig=KEY"}})",
       "spec.model.uri: Invalid value: \"https://a.example/m?[redacted]\": must be without user info, "
       "signature "
       "or token, which whoever reads pods would see: put what follows '?' into a Secret and name it in "
       "uriQuerySecret or labelsQuerySecret",
       "a signature in the clear"},
      {R"({"dispatcher": {"maxConnectionsPerAddress": -1}})",
       "spec.dispatcher.maxConnectionsPerAddress: Invalid value: -1: must be an integer between 0 and 100000",
       "below none"},
      {R"({"dispatcher": {"requestTimeout": "11m"}})",
       "spec.dispatcher.requestTimeout: Invalid value: \"11m\": must be a duration between 100ms and 10m",
       "above"},
      {R"({"dispatcher": {"limits": {"maxBytes": 65535}}})",
       "spec.dispatcher.limits.maxBytes: Invalid value: 65535: must be an integer between 65536 and 33554432",
       "below"},
      {R"({"dispatcher": {"limits": {"maxPixels": 268435457}}})",
       "spec.dispatcher.limits.maxPixels: Invalid value: 268435457: must be an integer between 65536 and "
       "268435456",
       "above"},
      {R"({"dispatcher": {"batch": {"maxSize": 65}}})",
       "spec.dispatcher.batch.maxSize: Invalid value: 65: must be an integer between 1 and 64", "above"},
      {R"({"dispatcher": {"batch": {"maxDelay": "2s"}}})",
       "spec.dispatcher.batch.maxDelay: Invalid value: \"2s\": must be a duration between 0s and 1s",
       "above"},
      {R"({"model": {"uri": "s3://b/w"}})",
       "spec.model.uri: Invalid value: \"s3://b/w\": must be a URI that starts with https://, file://, "
       "pvc:// or "
       "builtin://",
       "a scheme nobody serves"},
      {R"({"model": {"uri": "file://relative"}})",
       "spec.model.uri: Invalid value: \"file://relative\": must be file:///absolute/path",
       "no absolute path"},
      {R"({"model": {"uri": "pvc://claim"}})",
       "spec.model.uri: Invalid value: \"pvc://claim\": must be pvc://claim/path", "no path in the claim"},
      {R"({"model": {"uri": ""}})",
       "spec.model.uri: Invalid value: \"\": must be a URI that starts with https://, file://, pvc:// or "
       "builtin://",
       "said to be empty"},
      {R"({"model": {"sha256": "abc"}})",
       "spec.model.sha256: Invalid value: \"abc\": must be 64 hexadecimal digits", "too short"},
      {R"({"model": {"precision": "fp8"}})",
       "spec.model.precision: Unsupported value: \"fp8\": must be one of auto, fp32, bf16, int8",
       "not offered"},
      {R"({"model": {"minAgreement": 0.4}})",
       "spec.model.minAgreement: Invalid value: 0.4: must be a number from 0.5 to 1", "another model"},
      {R"({"model": {"minAgreement": "0.9"}})",
       "spec.model.minAgreement: Invalid value: \"0.9\": must be a number from 0.5 to 1", "a string"},
      {R"({"model": {"precision": "int8", "minAgreement": 0.9}})",
       "spec.model.minAgreement: Forbidden: needs precision auto, which it lets take int8",
       "int8 is taken anyway"},
      {R"({"model": {"name": "a/b"}})",
       "spec.model.name: Invalid value: \"a/b\": must be 1 to 63 letters, digits, '-', '_' or '.', a letter "
       "or digit at "
       "both ends",
       "it would break the URL"},
      {R"({"worker": {"resources": {"cpu": 1.5}}})",
       "spec.worker.resources.cpu: Invalid value: 1.5: must be a string where it is no integer: write it in "
       "quotes",
       "the API server's int-or-string takes no fraction"},
      {R"({"scaling": {"prometheusQuery": "up"}})",
       "spec.scaling.prometheusQuery: Forbidden: needs policy QueueRatio: a query gives the queue's length "
       "alone, and Latency also measures arrivals and service times, which it reads from the dispatchers",
       "the default policy needs more"},
      {R"({"worker": {"resources": {"cpu": "1x"}}})",
       "spec.worker.resources.cpu: Invalid value: \"1x\": must be a quantity between 10m and 64",
       "no quantity"},
      {R"({"worker": {"resources": {"memory": "100Mi"}}})",
       "spec.worker.resources.memory: Invalid value: \"100Mi\": must be a quantity between 256Mi and 1Ti",
       "the model would not fit"},
      {R"({"worker": {"nodeSelector": {"a": 1}}})",
       "spec.worker.nodeSelector.a: Invalid value: 1: must be a string", "labels are strings"},
      {R"({"worker": {"tolerations": {}}})", "spec.worker.tolerations: Invalid value: {}: must be an array",
       "shape"},
      {R"({"replicas": -1})", "spec.replicas: Invalid value: -1: must be an integer between 0 and 1000",
       "below"},
      {R"([1])", "spec: Invalid value: [1]: must be an object", "wrong shape"},
  }));
  INFO(row.why);
  CHECK(faults_of(object_with(row.spec)) == std::vector<std::string>{row.error});
}

TEST_CASE("The ends of every range are allowed") {
  auto const spec = GENERATE(
      as<std::string>{},
      R"({"scaling": {"queueTarget": 1, "minReplicas": 0, "maxReplicas": 1, "idleAfter": "1s",
      "cooldown": "0s", "latencyTarget": "10ms", "interval": "100ms"}})",
      R"({"scaling": {"queueTarget": 100000, "minReplicas": 1000, "maxReplicas": 1000, "idleAfter": "24h", "cooldown": "1h",
      "latencyTarget": "60s", "interval": "5m"}})",
      R"({"dispatcher": {"replicas": 10, "queueCapacity": 100000, "requestTimeout": "10m",
      "maxConnectionsPerAddress": 100000,
      "limits": {"maxBytes": 33554432, "maxPixels": 268435456},
      "batch": {"maxSize": 64, "maxDelay": "1s"}}, "replicas": 0})",
      R"({"dispatcher": {"replicas": 1, "queueCapacity": 1, "requestTimeout": "100ms",
      "maxConnectionsPerAddress": 0,
      "limits": {"maxBytes": 65536, "maxPixels": 65536},
      "batch": {"maxSize": 1, "maxDelay": "0s"}}, "scaling": null})");
  CHECK(faults_of(object_with(spec)).empty());
}

TEST_CASE("All faults of an object are reported at once, in the order of the API") {
  auto object =
      object_with(R"({"scaling": {"minReplicas": -1, "policy": "x"}, "model": {"sha256": "1"}, "extra": 1})");
  object.as_object()["kind"] = "Service";
  auto const faults = faults_of(object);
  REQUIRE(faults.size() == 5);
  CHECK(faults[0] == "kind: Unsupported value: \"Service\": must be InferenceService");
  CHECK(faults[1].rfind("spec.model.sha256", 0) == 0);
  CHECK(faults[2].rfind("spec.scaling.policy", 0) == 0);
  CHECK(faults[3].rfind("spec.scaling.minReplicas", 0) == 0);
  CHECK(faults[4] == "spec.extra: unknown field");
}

TEST_CASE("A service's name must be one that its children's names can be made of") {
  auto const fault = [](std::string const& name) {
    auto object = object_with("{}");
    object.as_object()["metadata"] = {{"name", name}};
    auto const faults = faults_of(object);
    return faults.empty() ? "" : faults.front();
  };
  CHECK(fault("a") == "");
  CHECK(fault("a-1") == "");
  CHECK(fault(std::string(50, 'a')) == "");
  CHECK(fault("") == "metadata.name: Required value");
  auto const must =
      "must be at most 50 lower-case letters, digits and '-', beginning with a letter and ending with a "
      "letter or digit";
  for (auto const& name : {std::string(51, 'a'), std::string("1a"), std::string("a-"), std::string("A"),
                           std::string("a.b"), std::string("a_b")}) {
    CHECK(fault(name) == "metadata.name: Invalid value: \"" + name + "\": " + must);
  }
}

TEST_CASE("Fields of a newer CRD are ignored where the API server has already checked them") {
  auto const object = object_with(R"({"future": {"x": 1}, "scaling": {"later": true, "queueTarget": 9}})");
  CHECK_FALSE(api::parse_service(object).service);
  auto const parsed = api::parse_service(object, api::UnknownFields::Ignore);
  REQUIRE(parsed.service);
  CHECK(parsed.service->spec.scaling.queue_target == 9);
}

TEST_CASE("An object as an API server returns it is read with its metadata") {
  auto const parsed = api::parse_service(json::parse(R"({
    "apiVersion": "elasticinference.dev/v1alpha1", "kind": "InferenceService",
    "metadata": {"name": "a", "namespace": "prod", "uid": "u-1", "resourceVersion": "77", "generation": 3,
      "creationTimestamp": "2026-01-02T03:04:05Z", "deletionTimestamp": "2026-01-02T03:05:05Z", "managedFields": [],
      "labels": {"team": "x"}, "finalizers": []},
    "spec": {}, "status": {"replicas": 2}})"));
  INFO(to_string(parsed.errors));
  REQUIRE(parsed.service);
  auto const& metadata = parsed.service->metadata;
  CHECK(metadata.uid == "u-1");
  CHECK(metadata.resource_version == "77");
  CHECK(metadata.generation == 3);
  CHECK(metadata.deleting);
  CHECK(metadata.labels.at("team") == "x");
  CHECK(parsed.service->status.replicas == 2);
  CHECK(ei::format_rfc3339_seconds(*metadata.created) == "2026-01-02T03:04:05Z");
}

TEST_CASE("Anything that is no object is refused, not crashed on") {
  for (auto const* text : {"null", "1", "\"x\"", "[]", "{}", R"({"metadata": 5, "spec": 7})"}) {
    CHECK_FALSE(api::parse_service(json::parse(text)).service);
  }
}

TEST_CASE("Names of labels are checked where the API server would refuse a child for them") {
  CHECK(faults_of(object_with(R"({"worker": {"nodeSelector": {"example.com/disk": "ssd", "x": ""}}})"))
            .empty());
  CHECK(
      faults_of(object_with(R"({"worker": {"nodeSelector": {"no key": "ssd"}}})")) ==
      std::vector<std::string>{"spec.worker.nodeSelector: Invalid value: \"no key\": must be a label's name, "
                               "such as disk or example.com/disk"});
  CHECK(faults_of(object_with(R"({"worker": {"nodeSelector": {"Example.com/disk": "ssd"}}})")).size() == 1);
  auto labelled = object_with("{}");
  labelled.at("metadata").as_object()["labels"] = json::object{{"team", "no value"}};
  REQUIRE(faults_of(labelled).size() == 1);
  CHECK(faults_of(labelled)[0].starts_with(
      "metadata.labels: Invalid value: \"no value\": must be a label's value"));
}

TEST_CASE("A URL that shows what opens it is told from one that does not") {
  for (std::string const url :
       {"https://a.example/m?X-Amz-Signature=K", "https://a.example/m?a=b&x-goog-signature=K",
        "https://a.example/m?sv=1&SIG=K", "https://a.example/m?private_token=K", "https://a.example/m?key=K",
        "https://a.example/?Policy=p&Signature=K&Key-Pair-Id=i", "https://me:K@a.example/m",
        "https://me@a.example", "https://a.example?X-Amz-Credential=K", "https://a.example/m?password=K",
        "https://a.example/m?a=?&sig=K"}) {
    INFO(url);
    CHECK(api::shows_secret(url));
  }
  for (std::string const url :
       {"https://a.example/m?download=true", "https://a.example/m@v1/f", "https://a.example/m?signature",
        "https://a.example/m?revision=sig", "https://a.example/sig=K", "https://a.example/m?design=1&keys=2",
        "file:///m?sig=K", "builtin://random?seed=1"}) {
    INFO(url);
    CHECK_FALSE(api::shows_secret(url));
  }
}
