#include "tests/operator/backend/kube/children/children_view.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>

using namespace ei::kube;

TEST_CASE("what signs a model's URL reaches a worker as a file alone") {
  ei::api::Spec spec;
  auto const without = worker_children(owner(), spec, 1, options());
  CHECK(flag(container(without, "resnet18-worker"), "--model-uri-query-file") == "missing");
  spec.model.uri = "https://a.example/m.pth";
  spec.model.uri_query_secret = "signed";
  spec.model.labels = "https://a.example/l";
  spec.model.labels_query_secret = "other";
  auto const children = worker_children(owner(), spec, 1, options());
  auto const worker = container(children, "resnet18-worker");
  CHECK(flag(worker, "--model-uri") == "https://a.example/m.pth");
  CHECK(flag(worker, "--model-uri-query-file") == "/var/run/elastic-inference/queries/uri-query");
  CHECK(flag(worker, "--labels-query-file") == "/var/run/elastic-inference/queries/labels-query");
  auto const volumes = pod_spec(children, "resnet18-worker").at("volumes").as_array();
  auto const found = std::find_if(volumes.begin(), volumes.end(),
                                  [](auto const& volume) { return volume.at("name") == "queries"; });
  REQUIRE(found != volumes.end());
  auto const expected = json::parse(R"([
    {"secret": {"name": "signed", "items": [{"key": "uri-query", "path": "uri-query"}]}},
    {"secret": {"name": "other", "items": [{"key": "labels-query", "path": "labels-query"}]}}])");
  CHECK(found->at("projected").at("sources") == expected);
  // A Secret's name is all that a dispatcher or the operator has to do with it.
  CHECK(pod_spec(dispatcher_children(owner(), spec, 1, options()), "resnet18-dispatcher").at("volumes") ==
        pod_spec(dispatcher_children(owner(), {}, 1, options()), "resnet18-dispatcher").at("volumes"));
}
