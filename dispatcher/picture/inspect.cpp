#include "dispatcher/picture/inspect.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>

namespace ei::dispatcher {
namespace {

using namespace std::string_view_literals;
using Inspection = std::variant<Picture, BadPicture>;

constexpr std::string_view kAllowed = "allowed: JPEG (8 bits a channel) and PNG";
constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n"sv;

std::uint32_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

std::uint32_t big_endian_16(std::string_view bytes, std::size_t at) {
  return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

std::uint32_t big_endian_32(std::string_view bytes, std::size_t at) {
  return big_endian_16(bytes, at) << 16 | big_endian_16(bytes, at + 2);
}

BadPicture not_an_image(std::string detail) {
  return {PictureFault::NotAnImage, "not an image: " + std::move(detail)};
}

BadPicture truncated(std::string_view format, std::size_t size) {
  return {PictureFault::Truncated, "the " + std::string(format) +
                                       " is truncated: its end marker is missing from its " +
                                       std::to_string(size) + " bytes"};
}

std::optional<BadPicture> check_size(std::uint32_t width, std::uint32_t height, PictureLimits const& limits) {
  std::string const size = std::to_string(width) + "x" + std::to_string(height);
  if (width == 0 || height == 0) return not_an_image("its header says " + size + " pixels");
  if (width > limits.max_side || height > limits.max_side) {
    return BadPicture{PictureFault::TooLarge, "the image has " + size + " pixels; allowed: at most " +
                                                  std::to_string(limits.max_side) + " a side"};
  }
  if (std::uint64_t{width} * height > limits.max_pixels) {
    return BadPicture{PictureFault::TooLarge, "the image has " + size + " pixels; allowed: at most " +
                                                  std::to_string(limits.max_pixels) + " in all"};
  }
  return std::nullopt;
}

// A start of frame: SOF0–SOF15 without DHT (C4), JPG (C8) and DAC (CC).
bool is_frame(std::uint32_t marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

// `segment` is the frame header without its length: precision, height, width, number of components, 3 bytes
// for each.
Inspection read_frame(std::uint32_t marker, std::string_view segment, PictureLimits const& limits) {
  if (segment.size() < 6)
    return not_an_image("the JPEG's frame header has " + std::to_string(segment.size()) + " bytes");
  std::uint32_t const precision = byte_at(segment, 0);
  std::uint32_t const components = byte_at(segment, 5);
  Picture const picture{PictureType::Jpeg, big_endian_16(segment, 3), big_endian_16(segment, 1)};
  // Baseline, extended and progressive; Huffman (0–2) and arithmetic (9, 10). The others are lossless or
  // hierarchical.
  bool const process = marker <= 0xc2 || marker == 0xc9 || marker == 0xca;
  if (!process || precision != 8 || (components != 1 && components != 3 && components != 4)) {
    return BadPicture{PictureFault::Unsupported,
                      "a JPEG of process SOF" + std::to_string(marker - 0xc0) + " with " +
                          std::to_string(precision) + " bits and " + std::to_string(components) +
                          " components is not supported; " + std::string(kAllowed)};
  }
  if (segment.size() != 6 + 3 * std::size_t{components}) {
    return not_an_image("the JPEG's frame header has " + std::to_string(segment.size()) + " bytes for " +
                        std::to_string(components) + " components");
  }
  if (auto bad = check_size(picture.width, picture.height, limits)) return *bad;
  return picture;
}

// The first byte after entropy-coded data: a 0xff that is neither stuffed (00), a restart (d0–d7) nor fill
// (ff).
std::size_t skip_scan(std::string_view bytes, std::size_t at) {
  for (;;) {
    at = bytes.find('\xff', at);
    if (at == std::string_view::npos || at + 1 >= bytes.size()) return bytes.size();
    std::uint32_t const next = byte_at(bytes, at + 1);
    if (next == 0xff) {
      ++at;
    } else if (next == 0 || (next >= 0xd0 && next <= 0xd7)) {
      at += 2;
    } else {
      return at;
    }
  }
}

Inspection inspect_jpeg(std::string_view bytes, PictureLimits const& limits) {
  std::optional<Picture> picture;
  bool scanned = false;
  std::size_t at = 2;  // after SOI
  for (;;) {
    if (at >= bytes.size()) return truncated("JPEG", bytes.size());
    if (byte_at(bytes, at) != 0xff)
      return not_an_image("the JPEG has no marker at byte " + std::to_string(at));
    while (at < bytes.size() && byte_at(bytes, at) == 0xff) ++at;
    if (at >= bytes.size()) return truncated("JPEG", bytes.size());
    std::uint32_t const marker = byte_at(bytes, at++);
    if (marker == 0xd9) {
      if (!scanned) return not_an_image("the JPEG ends without picture data");
      return *picture;
    }
    if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7)) continue;  // markers without a segment
    if (marker == 0x00 || marker == 0xd8)
      return not_an_image("the JPEG has a stray marker at byte " + std::to_string(at - 1));
    if (bytes.size() - at < 2) return truncated("JPEG", bytes.size());
    std::size_t const length = big_endian_16(bytes, at);
    if (length < 2) return not_an_image("the JPEG has a segment of length " + std::to_string(length));
    if (length > bytes.size() - at) return truncated("JPEG", bytes.size());
    if (is_frame(marker)) {
      if (picture) return not_an_image("the JPEG has two frame headers");
      Inspection const frame = read_frame(marker, bytes.substr(at + 2, length - 2), limits);
      if (std::holds_alternative<BadPicture>(frame)) return frame;
      picture = std::get<Picture>(frame);
    }
    at += length;
    if (marker == 0xda) {
      if (!picture) return not_an_image("the JPEG has picture data before its frame header");
      scanned = true;
      at = skip_scan(bytes, at);
    }
  }
}

bool valid_png_colour(std::uint32_t type, std::uint32_t depth) {
  auto const one_of = [depth](std::initializer_list<std::uint32_t> depths) {
    return std::find(depths.begin(), depths.end(), depth) != depths.end();
  };
  switch (type) {
    case 0:
      return one_of({1, 2, 4, 8, 16});
    case 3:
      return one_of({1, 2, 4, 8});
    case 2:
    case 4:
    case 6:
      return one_of({8, 16});
    default:
      return false;
  }
}

// `data` is IHDR's 13 bytes: width, height, depth, colour type, compression, filter, interlace.
Inspection read_png_header(std::string_view data, PictureLimits const& limits) {
  std::uint32_t const width = big_endian_32(data, 0);
  std::uint32_t const height = big_endian_32(data, 4);
  if (!valid_png_colour(byte_at(data, 9), byte_at(data, 8)) || byte_at(data, 10) != 0 ||
      byte_at(data, 11) != 0 || byte_at(data, 12) > 1) {
    return not_an_image("the PNG's header names a colour type " + std::to_string(byte_at(data, 9)) + " of " +
                        std::to_string(byte_at(data, 8)) + " bits, or a method, that does not exist");
  }
  if (auto bad = check_size(width, height, limits)) return *bad;
  return Picture{PictureType::Png, width, height};
}

Inspection inspect_png(std::string_view bytes, PictureLimits const& limits) {
  std::optional<Picture> picture;
  bool data = false;
  std::size_t at = kPngSignature.size();
  for (;;) {
    // A chunk is its length, its type, its data and a checksum.
    if (bytes.size() - at < 12) return truncated("PNG", bytes.size());
    std::uint32_t const length = big_endian_32(bytes, at);
    std::string_view const type = bytes.substr(at + 4, 4);
    if (length > 0x7fffffffu) return not_an_image("the PNG has a chunk of length " + std::to_string(length));
    if (!picture && (type != "IHDR" || length != 13))
      return not_an_image("the PNG does not begin with its header");
    if (length > bytes.size() - at - 12) return truncated("PNG", bytes.size());
    if (!picture) {
      Inspection const header = read_png_header(bytes.substr(at + 8, 13), limits);
      if (std::holds_alternative<BadPicture>(header)) return header;
      picture = std::get<Picture>(header);
    }
    if (type == "IDAT") data = true;
    if (type == "IEND") {
      if (!data) return not_an_image("the PNG ends without picture data");
      return *picture;
    }
    at += 12 + std::size_t{length};
  }
}

// The name of a picture format that we know of but do not serve.
std::optional<std::string_view> other_format(std::string_view bytes) {
  struct Magic {
    std::string_view name;
    std::size_t at;
    std::string_view bytes;
  };
  static constexpr std::array<Magic, 14> kFormats = {{
      {"GIF", 0, "GIF87a"sv},
      {"GIF", 0, "GIF89a"sv},
      {"WebP", 8, "WEBP"sv},
      {"TIFF", 0, "II*\0"sv},
      {"TIFF", 0, "MM\0*"sv},
      {"AVIF", 4, "ftypavif"sv},
      {"AVIF", 4, "ftypavis"sv},
      {"HEIF", 4, "ftyphei"sv},
      {"HEIF", 4, "ftypmif1"sv},
      {"JPEG 2000", 0, "\0\0\0\x0cjP  "sv},
      {"JPEG XL", 0, "\0\0\0\x0cJXL "sv},
      {"JPEG XL", 0, "\xff\x0a"sv},
      {"Photoshop", 0, "8BPS"sv},
      {"icon", 0, "\0\0\1\0"sv},
  }};
  for (auto const& format : kFormats) {
    if (bytes.size() >= format.at && bytes.substr(format.at).starts_with(format.bytes)) return format.name;
  }
  // "BM" alone begins many a text; a bitmap has zeros in its reserved bytes 6 to 9.
  if (bytes.size() >= 26 && bytes.starts_with("BM") && big_endian_32(bytes, 6) == 0) return "BMP";
  return std::nullopt;
}

std::string first_bytes(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (char const c : bytes.substr(0, 4)) {
    if (!out.empty()) out += ' ';
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

}  // namespace

Inspection inspect_picture(std::string_view bytes, PictureLimits const& limits) {
  if (bytes.empty()) return not_an_image("it has no bytes; " + std::string(kAllowed));
  if (bytes.size() > limits.max_bytes) {
    return BadPicture{PictureFault::TooLarge, "the image has " + std::to_string(bytes.size()) +
                                                  " bytes; allowed: at most " +
                                                  std::to_string(limits.max_bytes)};
  }
  if (bytes.starts_with("\xff\xd8\xff")) return inspect_jpeg(bytes, limits);
  if (bytes.starts_with(kPngSignature)) return inspect_png(bytes, limits);
  // Cut off within the signature.
  if (bytes.size() < kPngSignature.size() && kPngSignature.starts_with(bytes))
    return truncated("PNG", bytes.size());
  if ("\xff\xd8"sv.starts_with(bytes)) return truncated("JPEG", bytes.size());
  if (auto const name = other_format(bytes)) {
    return BadPicture{PictureFault::Unsupported,
                      std::string(*name) + " is not supported; " + std::string(kAllowed)};
  }
  return not_an_image("it begins with the bytes " + first_bytes(bytes) + "; " + std::string(kAllowed));
}

}  // namespace ei::dispatcher
