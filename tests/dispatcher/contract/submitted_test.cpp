#include "dispatcher/contract/form/submitted.hpp"

#include <catch2/catch.hpp>

using namespace ei;
using namespace ei::dispatcher;
using namespace std::string_literals;

namespace {

std::string const kPng =
    "\x89PNG\r\n\x1a\n"
    "\0\0\0\x0dIHDR\0\0\0\x04\0\0\0\x04\x08\x02\0\0\0crc!"
    "\0\0\0\x04IDATdatacrc!"
    "\0\0\0\0IENDcrc!"s;

http::Request request(std::string type, std::string body) {
  http::Request out;
  if (!type.empty()) out.headers.set("Content-Type", std::move(type));
  out.body = std::move(body);
  return out;
}

std::string field(std::string const& name, std::string const& bytes) {
  return "--xx\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + bytes + "\r\n";
}

http::Request form(std::string const& fields) {
  return request("multipart/form-data; boundary=xx", fields + "--xx--\r\n");
}

/// `415 the Content-Type is …`, or the picture's size.
std::string outcome(http::Request const& request, PictureLimits const& limits = {}) {
  auto const found = submitted_picture(request, limits);
  if (found) return std::to_string(found->size()) + " bytes";
  return std::to_string(found.error().http_status) + " " + found.error().message;
}

}  // namespace

TEST_CASE("a picture is the body itself, or the field image of a form") {
  auto const whole = std::to_string(kPng.size()) + " bytes";
  for (std::string const type : {"", "image/png", "image/jpeg", "image/anything", "application/octet-stream",
                                 "binary/octet-stream", "application/binary"}) {
    CAPTURE(type);
    CHECK(outcome(request(type, kPng)) == whole);
  }
  CHECK(outcome(form(field("note", "x") + field("image", kPng))) == whole);
}

TEST_CASE("a form without one picture is refused with the names of its fields") {
  CHECK(outcome(form(field("note", "x") + field("file", kPng))) ==
        "400 the form has no field \"image\"; its fields: note, file");
  CHECK(outcome(form("")) == "400 the form has no field \"image\"; its fields: none");
  CHECK(outcome(form(field("image", kPng) + field("image", kPng))) ==
        "400 the form has more than one field \"image\"; allowed: one");
  CHECK(outcome(request("multipart/form-data", kPng)) ==
        "400 the Content-Type multipart/form-data has no boundary");
  CHECK_THAT(outcome(request("multipart/form-data; boundary=xx", "--xx\r\nno end")),
             Catch::StartsWith("400 "));
}

TEST_CASE("what is no picture's type is refused, and its bytes are not looked at") {
  CHECK(outcome(request("text/plain", kPng)) ==
        "415 the Content-Type is \"text/plain\"; allowed: multipart/form-data with a field \"image\", "
        "image/jpeg, image/png, application/octet-stream");
}

TEST_CASE("a picture that no worker should see has the status of its fault") {
  CHECK_THAT(outcome(request("image/png", "hello")), Catch::StartsWith("400 "));
  CHECK_THAT(outcome(request("image/png", kPng.substr(0, 40))), Catch::StartsWith("400 "));
  CHECK_THAT(outcome(request("image/png", "GIF89a and more")), Catch::StartsWith("415 "));
  PictureLimits small;
  small.max_bytes = 10;
  CHECK_THAT(outcome(request("image/png", kPng), small), Catch::StartsWith("413 "));
}
