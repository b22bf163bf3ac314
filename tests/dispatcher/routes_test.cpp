#include <catch2/catch.hpp>

#include "dispatcher/routes/deadline.hpp"
#include "dispatcher/routes/predict.hpp"

using namespace ei;
using namespace ei::dispatcher;
using namespace std::chrono_literals;

namespace {

constexpr SteadyTime kStart{};

// The least that the header inspection takes for a JPEG of one pixel.
std::string const kJpeg(
    "\xff\xd8\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00x"
    "\xff\xd9",
    28);

Result<SteadyTime> deadline(std::string value) {
  http::Headers headers;
  headers.set("x-request-timeout-ms", std::move(value));
  return request_deadline(headers, 30s, kStart);
}

http::Request request(std::string content_type, std::string body) {
  http::Request out;
  if (!content_type.empty()) out.headers.set("Content-Type", std::move(content_type));
  out.body = std::move(body);
  return out;
}

int refusal(http::Request given) {
  auto const work = picture_of(given, {});
  REQUIRE(work.has_error());
  return work.error().http_status;
}

}  // namespace

TEST_CASE("a deadline is the longest one unless the client asks for a shorter") {
  CHECK(request_deadline({}, 30s, kStart).value() == kStart + 30s);
  CHECK(deadline("1").value() == kStart + 1ms);
  CHECK(deadline("29999").value() == kStart + 29'999ms);
  CHECK(deadline("30001").value() == kStart + 30s);
  CHECK(deadline("18446744073709551615").value() == kStart + 30s);
  CHECK(deadline("99999999999999999999999").value() == kStart + 30s);
  for (auto const* bad : {"", "0", "-1", "+1", "1 ", "1s", "0x1", "1e3", "99999999999999999999999x"}) {
    auto const refused = deadline(bad);
    REQUIRE(refused.has_error());
    CHECK(refused.error().http_status == 400);
    CHECK(refused.error().message == "X-Request-Timeout-Ms is \"" + std::string(bad) +
                                         "\"; allowed: a whole number of milliseconds from 1 to 30000");
  }
}

TEST_CASE("the picture of a raw body is the body, whatever image type its label says") {
  // "" is what `curl -T` says, which is nothing.
  for (auto const* type : {"image/jpeg", "image/png", "IMAGE/JPG; q=1", "application/octet-stream",
                           "Application/Octet-Stream; charset=binary", "binary/octet-stream",
                           "application/binary", " ; x=y", ""}) {
    auto given = request(type, kJpeg);
    auto const work = picture_of(given, {});
    REQUIRE(work.has_value());
    CHECK(work->bytes == kJpeg);
    CHECK(work->kind == link::ItemKind::Image);
  }
  CHECK(refusal(request("text/plain", kJpeg)) == 415);
  CHECK(refusal(request("application/json", kJpeg)) == 415);
  CHECK(refusal(request("binary", kJpeg)) == 415);
  CHECK(refusal(request("", "hello")) == 400);
  CHECK(refusal(request("image/jpeg", "hello")) == 400);
  CHECK(refusal(request("image/jpeg", kJpeg.substr(0, 20))) == 400);
}

TEST_CASE("the picture of a form is its one field called image") {
  auto const part = [](std::string const& name, std::string const& data) {
    return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + data + "\r\n";
  };
  std::string const type = "multipart/form-data; boundary=\"b\"";
  auto given = request(type, part("note", "x") + part("image", kJpeg) + "--b--");
  auto const work = picture_of(given, {});
  REQUIRE(work.has_value());
  CHECK(work->bytes == kJpeg);
  CHECK(refusal(request(type, part("picture", kJpeg) + "--b--")) == 400);
  CHECK(refusal(request(type, part("image", kJpeg) + part("image", kJpeg) + "--b--")) == 400);
  CHECK(refusal(request(type, part("image", "hello") + "--b--")) == 400);
  CHECK(refusal(request("multipart/form-data", part("image", kJpeg) + "--b--")) == 400);
}
