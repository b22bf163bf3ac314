#include "operator/backend/kube/protocol/resource.hpp"

#include <catch2/catch.hpp>

using namespace ei::kube;

TEST_CASE("paths are those of the API server") {
  CHECK(collection_path(kPods, "") == "/api/v1/pods");
  CHECK(collection_path(kPods, "default") == "/api/v1/namespaces/default/pods");
  CHECK(collection_path(kDeployments, "a") == "/apis/apps/v1/namespaces/a/deployments");
  CHECK(object_path(kInferenceServices, {"a", "b"}, "status") ==
        "/apis/elasticinference.dev/v1alpha1/namespaces/a/inferenceservices/b/status");
  CHECK(discovery_path(kServiceMonitors) == "/apis/monitoring.coreos.com/v1");
  CHECK(object_path(kPods, {"a", "../secrets/x"}) == "/api/v1/namespaces/a/pods/..%2Fsecrets%2Fx");
}

TEST_CASE("query parameters are encoded, empty ones left out") {
  CHECK(query_string({{"limit", "100"}, {"continue", ""}, {"labelSelector", "a=b,c in (d,e)"}}) ==
        "?limit=100&labelSelector=a%3Db%2Cc%20in%20%28d%2Ce%29");
  CHECK(query_string({}).empty());
}
