// What a picture's own headers say, read before anybody decodes it: so that no worker ever sees what is not a
// picture, or would cost more memory or time than a worker has. Pure; reads each byte at most once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ei::dispatcher {

enum class PictureType { Jpeg, Png };

/// Pictures up to here are decoded whole: 16 megapixels are 48 MiB of RGB, a fifth of a worker that waits.
/// Above, a JPEG is decoded at 1/2, 1/4 or 1/8 of its sides; a PNG has no such way and is refused.
inline constexpr std::uint64_t kWholePixels = std::uint64_t{1} << 24;

/// What the owner of a service decides.
struct PictureLimits {
  /// Photographs of 50-megapixel cameras fit after any sensible compression;
  /// 1,000 waiting ones must fit a queue.
  std::size_t max_bytes = std::size_t{10} << 20;
  /// Of a JPEG; of a PNG at most kWholePixels. The largest sensors of phones and cameras
  /// have 50 to 100 megapixels.
  std::uint64_t max_pixels = 100'000'000;
  /// A picture of 1 × 2^24 would pass the pixel limit and be scaled to 256 × 2^32.
  std::uint32_t max_side = 16'384;
};

/// What decoding may cost, whatever the owner allows: constants of this program. docs/security.md says what
/// each was measured to cost.
struct PictureBudget {
  /// Segments and other markers of a JPEG outside of its scans. An extended XMP of 10 MiB has 160.
  static constexpr std::size_t kMarkers = 4'096;
  /// `cjpeg -scans` writes at most 100; cameras 1, web pages about 10, mozjpeg up to 15.
  static constexpr std::size_t kScans = 100;
  /// See scan_steps(). The usual progressive CMYK picture of 2^24 pixels takes 2.3 × 10^8.
  static constexpr std::uint64_t kScanSteps = std::uint64_t{1} << 28;
  /// A JPEG in several scans is kept whole as coefficients of two bytes: four components of 2^24 pixels are
  /// 128 MiB and their padding to whole blocks, a phone's 8064x6048 in 4:2:0 139.6 MiB.
  static constexpr std::uint64_t kCoefficientBytes = std::uint64_t{140} << 20;
  /// Chunks of a PNG. libpng writes 8 KiB each, the tiniest in use about 1 KiB.
  static constexpr std::size_t kChunks = 65'536;
  /// Pieces of metadata that are looked at for an orientation.
  static constexpr std::size_t kNotes = 16;
};

/// A piece of a picture's metadata that may say which side is up.
struct Note {
  std::string_view type;  ///< "APP1" of a JPEG, or the PNG's chunk: eXIf, tEXt, zTXt, iTXt
  std::string_view data;  ///< without length and type; a view of the picture's bytes
  bool operator==(Note const&) const = default;
};

struct Picture {
  PictureType type{};
  std::uint32_t width = 0;  ///< pixels, before any EXIF rotation
  std::uint32_t height = 0;
  std::vector<Note> notes = {};  ///< at most PictureBudget::kNotes
  /// A PNG's IHDR and PLTE, each with its type and checksum; PLTE is empty where there is none.
  std::string_view header = {};
  std::string_view palette = {};
  std::vector<std::string_view> data = {};  ///< of a PNG's IDATs, in order; no chunk else makes the picture
  bool operator==(Picture const&) const = default;
};

enum class PictureFault {
  NotAnImage,   ///< 400: no format that we know, or a header that contradicts itself
  Truncated,    ///< 400: ends before its picture data can be whole
  Unsupported,  ///< 415: a picture, but neither an 8-bit JPEG nor a PNG
  TooLarge,     ///< 413: bytes, pixels, a side, or the work of decoding over the limits
};

struct BadPicture {
  PictureFault fault{};
  std::string detail;  ///< a sentence for the client, with the value and what is allowed
  bool operator==(BadPicture const&) const = default;
};

/// Walks a JPEG's markers (ITU T.81 annex B) or a PNG's chunks (W3C PNG, 3rd edition). Baseline, extended and
/// progressive JPEG, Huffman or arithmetic coded, grey, YCbCr or CMYK, are pictures; so is every PNG. As in
/// Pillow, bytes that belong to no JPEG segment are skipped, a vendor's trailer may stand for a JPEG's end
/// marker, and a PNG needs no IEND. What is inside the compressed data is not checked: a decoder may still
/// find it broken or cut off. The views in the result are of `bytes`.
[[nodiscard]] std::variant<Picture, BadPicture> inspect_picture(std::string_view bytes,
                                                                PictureLimits const& limits = {});

}  // namespace ei::dispatcher
