#include "tests/sim/api/requests.hpp"

#include <catch2/catch.hpp>

using namespace ei::sim;

namespace {

/// A ConfigMap `child` that belongs to the ConfigMap `a`.
std::string owned_by(std::string const& uid) {
  return config_map("child", "{}",
                    R"(,"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"a","uid":")" + uid +
                        R"(","controller":true,"blockOwnerDeletion":true}])");
}

std::string const kChild = std::string(kMaps) + "/child";

struct Family : Requests {
  Family() {
    auto const made = object(send("POST", kMaps, config_map("a", "{}")));
    send("POST", kMaps, owned_by(text_of(made, "metadata.uid")));
  }
  bool has(std::string const& target) { return send("GET", target).status == 200; }
};

}  // namespace

TEST_CASE("the collector removes what its owner left, and nothing else") {
  Family api;
  api.server.collect(api.now);
  CHECK(api.has(kChild));
  CHECK(api.send("DELETE", kMap).status == 200);
  CHECK(api.has(kChild));
  api.server.collect(api.now);
  CHECK_FALSE(api.has(kChild));
}

TEST_CASE("in the foreground the owner goes last") {
  Family api;
  CHECK(api.send("DELETE", kMap, R"({"propagationPolicy":"Foreground"})").status == 200);
  CHECK_FALSE(text_of(api.get(kMap), "metadata.deletionTimestamp").empty());
  api.server.collect(api.now);
  api.server.collect(api.now);
  CHECK_FALSE(api.has(kChild));
  api.server.collect(api.now);
  CHECK_FALSE(api.has(kMap));
}

TEST_CASE("an orphan stays, and has no owner any more") {
  Family api;
  CHECK(api.send("DELETE", kMap, R"({"propagationPolicy":"Orphan"})").status == 200);
  api.server.collect(api.now);
  api.server.collect(api.now);
  CHECK_FALSE(api.has(kMap));
  CHECK(api.has(kChild));
}

TEST_CASE("a finalizer keeps an object until it is taken away") {
  Requests api;
  api.send("POST", kMaps, config_map("a", "{}", R"(,"finalizers":["example.org/hold"])"));
  CHECK(api.send("DELETE", kMap).status == 200);
  CHECK_FALSE(text_of(api.get(kMap), "metadata.deletionTimestamp").empty());
  CHECK(api.merge(kMap, R"({"metadata":{"finalizers":null}})").status == 200);
  CHECK(api.send("GET", kMap).status == 404);
}

TEST_CASE("a pod on a node stays until the node has ended it") {
  Requests api;
  std::string const pods = "/api/v1/namespaces/default/pods";
  api.send("POST", pods,
           R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"nodeName":"n"}})");
  api.send("POST", pods, R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"q"},"spec":{}})");
  CHECK(api.send("DELETE", pods + "/p").status == 200);
  CHECK_FALSE(text_of(api.get(pods + "/p"), "metadata.deletionTimestamp").empty());
  CHECK(api.send("DELETE", pods + "/q").status == 200);
  CHECK(api.send("GET", pods + "/q").status == 404);
  CHECK(api.send("DELETE", pods + "/p", R"({"gracePeriodSeconds":0})").status == 200);
  CHECK(api.send("GET", pods + "/p").status == 404);
}
