// What a picture's own header says, read before anybody decodes it: so that no worker ever sees what is not a
// picture, is cut off, or would unpack to more pixels than a worker has room for. Pure; reads each byte at
// most once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace ei::dispatcher {

enum class PictureType { Jpeg, Png };

struct PictureLimits {
  /// Photographs of 50-megapixel cameras fit after any sensible compression; 1,000 waiting ones must fit a
  /// queue.
  std::size_t max_bytes = std::size_t{10} << 20;
  /// 16 megapixels decode to 48 MiB of RGB: a sixth of what a worker may use.
  std::uint64_t max_pixels = std::uint64_t{1} << 24;
  /// A picture of 1 × 2^24 would pass the pixel limit and be scaled to 256 × 2^32.
  std::uint32_t max_side = 16'384;
};

struct Picture {
  PictureType type{};
  std::uint32_t width = 0;  ///< pixels, before any EXIF rotation
  std::uint32_t height = 0;
  bool operator==(Picture const&) const = default;
};

enum class PictureFault {
  NotAnImage,   ///< 400: no format that we know, or a header that contradicts itself
  Truncated,    ///< 400: ends before its end marker
  Unsupported,  ///< 415: a picture, but neither an 8-bit JPEG nor a PNG
  TooLarge,     ///< 413: bytes, pixels or a side over the limits
};

struct BadPicture {
  PictureFault fault{};
  std::string detail;  ///< a sentence for the client, with the value and what is allowed
  bool operator==(BadPicture const&) const = default;
};

/// Walks a JPEG's markers to its end marker (ITU T.81 annex B), or a PNG's chunks to IEND (W3C PNG, 3rd
/// edition). Baseline, extended and progressive JPEG, Huffman or arithmetic coded, grey, YCbCr or CMYK, are
/// pictures; so is every PNG. Bytes after the end marker are ignored, as decoders do. What is inside the
/// compressed data is not checked: a decoder may still find it broken.
[[nodiscard]] std::variant<Picture, BadPicture> inspect_picture(std::string_view bytes,
                                                                PictureLimits const& limits = {});

}  // namespace ei::dispatcher
