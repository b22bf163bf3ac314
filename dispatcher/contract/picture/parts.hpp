// What the inspections of JPEG and PNG share; nobody else includes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "dispatcher/contract/picture/inspect.hpp"

namespace ei::dispatcher {

using Inspection = std::variant<Picture, BadPicture>;

inline constexpr std::string_view kAllowed = "allowed: JPEG (8 bits a channel) and PNG";

inline std::uint32_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

inline std::uint32_t big_endian_16(std::string_view bytes, std::size_t at) {
  return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

inline std::uint32_t big_endian_32(std::string_view bytes, std::size_t at) {
  return big_endian_16(bytes, at) << 16 | big_endian_16(bytes, at + 2);
}

BadPicture not_an_image(std::string detail);
BadPicture truncated(std::string_view format, std::size_t size);
/// "{what}; allowed: {allowed}", a 413.
BadPicture too_large(std::string const& what, std::string const& allowed);
/// The sides and pixels that a header announces. `format` and `max_pixels`: whose, and of that format.
std::optional<BadPicture> check_size(std::uint32_t width, std::uint32_t height, std::uint32_t max_side,
                                     std::uint64_t max_pixels);

/// `bytes` begins with the format's signature.
Inspection inspect_jpeg(std::string_view bytes, PictureLimits const& limits);
Inspection inspect_png(std::string_view bytes, PictureLimits const& limits);

}  // namespace ei::dispatcher
