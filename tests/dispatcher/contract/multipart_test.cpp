#include <catch2/catch.hpp>
#include <random>

#include "dispatcher/contract/form/multipart.hpp"
#include "tests/dispatcher/seed.hpp"

using namespace ei;
using namespace ei::dispatcher;

namespace {

std::string part(std::string const& headers, std::string const& data) {
  return "--xx\r\n" + headers + "\r\n\r\n" + data + "\r\n";
}

std::string const kImage =
    "Content-Disposition: form-data; name=\"image\"; filename=\"a cat.jpg\"\r\nContent-Type: image/JPEG";

}  // namespace

TEST_CASE("a form gives its parts with name, file name, type and exact bytes") {
  std::string const data("\xff\xd8 bytes\r\n--x\r\n--xxx\r\n\0 more\r\n", 29);
  std::string const body =
      part(kImage, data) + part("content-disposition:form-data;name=note", "") + "--xx--\r\n";
  auto const parts = parse_multipart(body, "xx");
  REQUIRE(parts.has_value());
  REQUIRE(parts->size() == 2);
  CHECK((*parts)[0] == Part{"image", "a cat.jpg", "image/jpeg", data});
  CHECK((*parts)[1] == Part{"note", std::nullopt, "", ""});
}

TEST_CASE("preamble, epilogue, blanks after a boundary and a missing last line end are allowed") {
  std::string const body = "ignored\r\n--xx \t\r\n" + kImage + "\r\n\r\ndata\r\n--xx--ignored";
  auto const parts = parse_multipart(body, "xx");
  REQUIRE(parts.has_value());
  REQUIRE(parts->size() == 1);
  CHECK(parts->front().data == "data");
}

TEST_CASE("an empty form has no parts") {
  auto const parts = parse_multipart("--xx--", "xx");
  REQUIRE(parts.has_value());
  CHECK(parts->empty());
}

TEST_CASE("a malformed form is refused with what is wrong") {
  struct Row {
    std::string body;
    std::string boundary;
    std::string message;
  };
  std::string many;
  for (int i = 0; i < 33; ++i) many += part(kImage, "x");
  for (auto const& row : std::vector<Row>{
           {"", "", "the boundary has 0 characters; allowed: 1 to 70"},
           {"", std::string(71, 'x'), "the boundary has 71 characters; allowed: 1 to 70"},
           {"", "xx", "no line of the body is the boundary"},
           {"data --xx\r\n", "xx", "no line of the body is the boundary"},
           {"--xx\r\n" + kImage + "\r\n\r\ndata", "xx", "part 1 is not closed by the boundary"},
           {"--xx\r\n" + kImage, "xx", "part 1's headers do not end within 8192 bytes"},
           {part("X: " + std::string(9000, 'x'), "data") + "--xx--", "xx",
            "part 1's headers do not end within 8192 bytes"},
           {part("Content-Type: image/jpeg", "data") + "--xx--", "xx", "part 1 has no Content-Disposition"},
           {"--xx\r\n\r\ndata\r\n--xx--", "xx", "part 1 has no Content-Disposition"},
           {part("Content-Disposition: attachment; name=a", "data") + "--xx--", "xx",
            "no form-data with a name"},
           {part("Content-Disposition: form-data", "data") + "--xx--", "xx", "no form-data with a name"},
           {part("no colon", "data") + "--xx--", "xx", "part 1 has a header line without a colon"},
           {part("Content-Disposition: form-data; name=\"a\r\\\nb\"", "data") + "--xx--", "xx",
            "part 1 has a control character in its headers"},
           {part("Content-Disposition: form-data; name=a\nContent-Type: text/plain", "data") + "--xx--", "xx",
            "part 1 has a control character in its headers"},
           {many + "--xx--", "xx", "more than 32 parts"},
       }) {
    auto const parts = parse_multipart(row.body, row.boundary);
    REQUIRE(parts.has_error());
    CHECK(parts.error().kind == ErrorKind::Invalid);
    CHECK_THAT(parts.error().message, Catch::Contains(row.message));
  }
}

TEST_CASE("any body whatever gives parts within it, or an error") {
  auto const seed = test_seed();
  INFO("EI_SEED=" << seed);
  std::mt19937 random(seed);
  std::string const whole =
      part(kImage, "\r\n--xdata\r\n--") + part("Content-Disposition: form-data; name=b", "") + "--xx--";
  static constexpr std::string_view kPieces[] = {"\r\n", "--xx", "--",       "\r", "\n",
                                                 "\"",   ";",    "\r\n\r\n", ":"};
  for (int round = 0; round < 30'000; ++round) {
    std::string body = whole;
    for (auto edits = 1 + random() % 5; edits > 0 && !body.empty(); --edits) {
      auto const at = random() % body.size();
      switch (random() % 3) {
        case 0:
          body.erase(at, 1 + random() % 9);
          break;
        case 1:
          body.insert(at, kPieces[random() % std::size(kPieces)]);
          break;
        default:
          body[at] = static_cast<char>(random());
          break;
      }
    }
    std::vector<char> const copy(body.begin(), body.end());
    auto const parts = parse_multipart({copy.data(), copy.size()}, "xx");
    if (!parts) continue;
    for (auto const& p : *parts) {
      REQUIRE(p.data.data() >= copy.data());
      REQUIRE(p.data.data() + p.data.size() <= copy.data() + copy.size());
    }
  }
}
