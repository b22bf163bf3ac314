#include "operator/backend/kube/children/link_keys.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include <string>
#include <utility>

namespace json = boost::json;
using ei::kube::link_keys_document;

namespace {

json::value const kDiscovery = json::parse(R"({"issuer": "https://i", "jwks_uri": "https://i/keys"})");

}  // namespace

TEST_CASE("the published document has the issuer and the public members of every key, in one order") {
  auto const one =
      json::parse(R"({"kty": "RSA", "kid": "1", "n": "x", "e": "AQAB", "alg": "RS256", "use": "sig"})");
  auto const two =
      json::parse(R"({"kid": "2", "kty": "EC", "crv": "P-256", "x": "a", "y": "b", "d": "secret"})");
  auto const forth = link_keys_document(kDiscovery, json::object{{"keys", json::array{one, two}}});
  auto const back = link_keys_document(kDiscovery, json::object{{"keys", json::array{two, one}}});
  REQUIRE(forth.has_value());
  CHECK(*forth == *back);
  CHECK(
      *forth ==
      R"({"issuer":"https://i","keys":[{"kid":"1","kty":"RSA","use":"sig","alg":"RS256","n":"x","e":"AQAB"},)"
      R"({"kid":"2","kty":"EC","crv":"P-256","x":"a","y":"b"}]})");
}

TEST_CASE("an answer that lacks its part is told by its path") {
  auto const key = json::parse(R"({"keys": [{"kty": "RSA", "kid": "1"}]})");
  for (auto const& [discovery, keys, words] : {
           std::tuple(json::parse("{}"), key, "/.well-known/openid-configuration names no issuer"),
           std::tuple(json::parse("[]"), key, "names no issuer"),
           std::tuple(kDiscovery, json::parse("{}"), "/openid/v1/jwks lists no keys"),
           std::tuple(kDiscovery, json::parse(R"({"keys": []})"), "lists no keys"),
           std::tuple(kDiscovery, json::parse(R"({"keys": {}})"), "lists no keys"),
       }) {
    auto const document = link_keys_document(discovery, keys);
    REQUIRE_FALSE(document.has_value());
    CHECK_THAT(document.error().message, Catch::Contains(words));
  }
}
