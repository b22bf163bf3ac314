#include <catch2/catch.hpp>

#include "runtime/http/cors.hpp"

using namespace ei;
using namespace ei::http;

namespace {

CorsOptions allowing(std::vector<std::string> origins) {
  return {std::move(origins), {"Content-Type"}, {"Retry-After", "Allow"}};
}

Headers dressed(CorsOptions const& options, std::string_view origin) {
  Headers out;
  add_cors_headers(options, origin, out);
  return out;
}

}  // namespace

TEST_CASE("without allowed origins nothing is said to a browser") {
  CHECK(dressed(allowing({}), "https://a.example").empty());
  CHECK(with_preflight({Route{"GET", "/x", {}}}, allowing({})).size() == 1);
}

TEST_CASE("a listed origin is named in the answer and may send its credentials") {
  auto const options = allowing({"https://a.example", "http://localhost:3000"});
  CHECK(dressed(options, "http://localhost:3000") ==
        Headers{{"Vary", "Origin"},
                {"Access-Control-Allow-Origin", "http://localhost:3000"},
                {"Access-Control-Allow-Credentials", "true"},
                {"Access-Control-Expose-Headers", "Retry-After, Allow"}});
  // No prefix, suffix, other case, other port or list is it.
  for (auto const* other :
       {"", "null", "*", "https://a.example.evil", "https://evil-a.example", "https://a.exampl",
        "http://a.example", "https://A.example", "https://a.example:444", "https://a.example/",
        "https://a.example, https://b.example"}) {
    CHECK(dressed(options, other) == Headers{{"Vary", "Origin"}});
  }
}

TEST_CASE("every origin may read where all are allowed, and none may send credentials") {
  for (auto const* origin : {"https://a.example", "null", ""}) {
    CHECK(dressed(allowing({"*"}), origin) ==
          Headers{{"Access-Control-Allow-Origin", "*"},
                  {"Access-Control-Expose-Headers", "Retry-After, Allow"}});
  }
}

TEST_CASE("a path answers a preflight once, with all its methods") {
  auto const routes = with_preflight(
      {Route{"POST", "/x", {}}, Route{"PUT", "/x", {}}, Route{"GET", "/y", {}}}, allowing({"*"}));
  REQUIRE(routes.size() == 5);
  CHECK(routes[3].method == "OPTIONS");
  CHECK(routes[3].pattern == "/x");
  CHECK(routes[4].pattern == "/y");
}
