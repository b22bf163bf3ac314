#include "operator/backend/kube/lookout.hpp"

#include "tests/operator/backend/kube/lease_of_release.hpp"

using namespace ei;
using namespace ei::kube;

namespace {

struct Looking : MemoryApi {
  std::unique_ptr<Client> api = client();
  ObjectKey const own{"own", "release"};
  ObjectKey const other{"other", "first"};
  Lookout lookout{*api, own, "release-0"};

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
