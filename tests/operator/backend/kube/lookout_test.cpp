#include "operator/backend/kube/lookout.hpp"

#include "operator/backend/kube/protocol/event.hpp"
#include "tests/operator/backend/kube/lease_of_release.hpp"

using namespace ei;
using namespace ei::kube;

namespace {

struct Looking : MemoryApi {
  std::unique_ptr<Client> api = client();
  ObjectKey const own{"own", "release"};
  ObjectKey const other{"other", "first"};
  Lookout lookout{*api, own, "release-0"};

  std::vector<boost::json::object> events() {
    std::vector<boost::json::object> found;
    for (auto const& [key, event] : server.storage().all(sim::kind_of(kEvents)))
      found.push_back(event->object);
    return found;
  }
  Result<std::optional<Neighbour>> look() { return await(lookout.earlier_release()); }
};

}  // namespace

TEST_CASE_METHOD(Looking, "the release that was here first is found, and a younger one is none of ours") {
  make_lease(*this, other, std::string(kAllNamespaces));
  make_lease(*this, own, std::string(kAllNamespaces));
  make_lease(*this, {"late", "third"}, std::string(kAllNamespaces));
  auto const found = look();
  REQUIRE(found.has_value());
  REQUIRE(found->has_value());
  CHECK((*found)->lease == other);
  REQUIRE(send("DELETE", object_path(kLeases, other)).status == 200);
  auto const alone = look();
  REQUIRE(alone.has_value());
  CHECK_FALSE(alone->has_value());
}

TEST_CASE_METHOD(Looking, "an API server that does not answer says nothing about other releases") {
  make_lease(*this, other, std::string(kAllNamespaces));
  SECTION("away") {
    network.weather.server_down = true;
    auto const found = look();
    REQUIRE(found.has_error());
    CHECK(found.error().kind == ErrorKind::Unavailable);
  }
  SECTION("broken") {
    network.weather.refused_share = 1;
    network.weather.refused_code = 500;
    CHECK(look().has_error());
  }
}

TEST_CASE_METHOD(Looking, "who may not look for other releases works as if there were none") {
  make_lease(*this, other, std::string(kAllNamespaces));
  network.weather.refused_share = 1;
  network.weather.refused_code = 403;
  auto const found = look();
  REQUIRE(found.has_value());
  CHECK_FALSE(found->has_value());
}

TEST_CASE_METHOD(Looking, "another release is told once, as an Event of the own Lease") {
  make_lease(*this, other, std::string(kAllNamespaces), 3600);
  make_lease(*this, own, std::string(kAllNamespaces));
  for (int i = 0; i < 3; ++i) REQUIRE(look().has_value());
  REQUIRE(events().size() == 1);
  auto const event = events()[0];
  CHECK(string_or(event, "reason") == "AnotherRelease");
  CHECK(string_or(event, "reportingController") == kEventController);
  CHECK(string_or(event, "reportingInstance") == "release-0");
  CHECK(string_or(event, "regarding.kind") == "Lease");
  CHECK(string_or(event, "regarding.uid") == string_or(get(kLeases, own), "metadata.uid"));
  CHECK_THAT(std::string(string_or(event, "note")), Catch::Contains("other/first"));
}

TEST_CASE_METHOD(Looking, "another release whose Event could not be written is told with a later look") {
  make_lease(*this, other, std::string(kAllNamespaces), 3600);
  make_lease(*this, own, std::string(kAllNamespaces));
  // The listing is answered, and then the server is away.
  network.on_request = [this](sim::Peer const&, http::Request const&) { network.weather.server_down = true; };
  REQUIRE(look().has_value());
  CHECK(events().empty());
  network.on_request = nullptr;
  network.weather.server_down = false;
  REQUIRE(look().has_value());
  CHECK(events().size() == 1);
  REQUIRE(look().has_value());
  CHECK(events().size() == 1);
}

TEST_CASE_METHOD(Looking,
                 "a release that watches very many namespaces is told in a note that is not refused") {
  std::string watches = "n0";
  for (int i = 1; i < 400; ++i) watches += ",n" + std::to_string(i);
  make_lease(*this, other, watches, 3600);
  make_lease(*this, own, std::string(kAllNamespaces));
  REQUIRE(look().has_value());
  REQUIRE(events().size() == 1);
  auto const event = events()[0];
  CHECK(string_or(event, "reason") == "ReleaseBeside");
  CHECK(string_or(event, "note").size() <= 1024);
}
