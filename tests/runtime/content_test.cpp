#include <catch2/catch.hpp>

#include "runtime/http/content.hpp"

using namespace ei;
using namespace ei::http;
using compression::Coding;

TEST_CASE("a content coding is known by its names, whatever their case") {
  CHECK(parse_coding("gzip").value() == Coding::Gzip);
  CHECK(parse_coding("X-GZip").value() == Coding::Gzip);
  CHECK(parse_coding(" Deflate ").value() == Coding::Deflate);
  CHECK(parse_coding("identity, gzip").value() == Coding::Gzip);
  for (auto const* none : {"", " ", "identity", "IDENTITY", ",", "identity, identity"}) {
    CHECK_FALSE(parse_coding(none).value());
  }
  for (auto const* other :
       {"br", "zstd", "compress", "gzip, gzip", "deflate, gzip", "gzip;q=1", "*", "gzip br"}) {
    auto const refused = parse_coding(other);
    REQUIRE(refused.has_error());
    CHECK(refused.error().http_status == 415);
    CHECK(refused.error().message ==
          "the Content-Encoding is \"" + std::string(other) + "\"; allowed: one of gzip, deflate, identity");
  }
}
