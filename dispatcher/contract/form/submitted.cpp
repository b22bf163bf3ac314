#include "dispatcher/contract/form/submitted.hpp"

#include <algorithm>
#include <array>

#include "dispatcher/contract/form/multipart.hpp"
#include "runtime/core/encoding.hpp"

namespace ei::dispatcher {
namespace {

constexpr std::string_view kField = "image";

// What clients say of bytes whose type they do not know: curl -T says nothing,
// S3's and Java's tools say binary/octet-stream.
constexpr std::array<std::string_view, 4> kAnyBytes{"", "application/octet-stream", "binary/octet-stream",
                                                    "application/binary"};

Error refused(int status, std::string message) {
  Error error = make_error(ErrorKind::Invalid, std::move(message));
  error.http_status = status;
  return error;
}

int status_of(PictureFault fault) {
  switch (fault) {
    case PictureFault::NotAnImage:
    case PictureFault::Truncated:
      return 400;
    case PictureFault::TooLarge:
      return 413;
    case PictureFault::Unsupported:
      return 415;
  }
  return 400;
}

Result<std::string_view> form_picture(std::string_view body, std::string_view content_type) {
  auto const boundary = http::header_parameter(content_type, "boundary");
  if (!boundary) return refused(400, "the Content-Type multipart/form-data has no boundary");
  auto const parts = parse_multipart(body, *boundary);
  if (!parts) return refused(400, parts.error().message);
  Part const* image = nullptr;
  std::string names;
  for (Part const& part : *parts) {
    names += names.empty() ? "" : ", ";
    names += clipped(part.name, 40);
    if (part.name != kField) continue;
    if (image != nullptr) return refused(400, "the form has more than one field \"image\"; allowed: one");
    image = &part;
  }
  if (image == nullptr) {
    return refused(400, "the form has no field \"image\"; its fields: " + (names.empty() ? "none" : names));
  }
  return image->data;
}

}  // namespace

Result<void> check_picture(std::string_view bytes, PictureLimits const& limits) {
  auto const found = inspect_picture(bytes, limits);
  if (auto const* bad = std::get_if<BadPicture>(&found)) return refused(status_of(bad->fault), bad->detail);
  return {};
}

Result<std::string_view> submitted_picture(http::Request const& request, PictureLimits const& limits) {
  std::string_view const content_type = request.headers.get("Content-Type").value_or("");
  std::string const type = http::media_type(content_type);
  Result<std::string_view> bytes = std::string_view(request.body);
  if (type == "multipart/form-data") {
    bytes = form_picture(request.body, content_type);
    if (!bytes) return bytes;
  } else if (!type.starts_with("image/") &&
             std::find(kAnyBytes.begin(), kAnyBytes.end(), type) == kAnyBytes.end()) {
    // What kind of image it is, its bytes say better than its label.
    return refused(415, "the Content-Type is \"" + std::string(clipped(type, 80)) +
                            "\"; allowed: multipart/form-data with a field \"image\", " +
                            std::string(kPictureTypes) + ", application/octet-stream");
  }
  if (auto const checked = check_picture(*bytes, limits); !checked) return checked.error();
  return bytes;
}

}  // namespace ei::dispatcher
