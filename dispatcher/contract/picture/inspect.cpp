#include "dispatcher/contract/picture/inspect.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "dispatcher/contract/picture/parts.hpp"

namespace ei::dispatcher {

using namespace std::string_view_literals;

BadPicture not_an_image(std::string detail) {
  return {PictureFault::NotAnImage, "not an image: " + std::move(detail)};
}

BadPicture truncated(std::string_view format, std::size_t size) {
  return {PictureFault::Truncated, "the " + std::string(format) + " is truncated: its " +
                                       std::to_string(size) + " bytes end before its picture data does"};
}

BadPicture too_large(std::string const& what, std::string const& allowed) {
  return {PictureFault::TooLarge, what + "; allowed: " + allowed};
}

std::optional<BadPicture> check_size(std::uint32_t width, std::uint32_t height, std::uint32_t max_side,
                                     std::uint64_t max_pixels) {
  std::string const size = std::to_string(width) + "x" + std::to_string(height);
  if (width == 0 || height == 0) return not_an_image("its header says " + size + " pixels");
  std::string const what = "the image has " + size + " pixels";
  if (width > max_side || height > max_side)
    return too_large(what, "at most " + std::to_string(max_side) + " a side");
  if (std::uint64_t{width} * height > max_pixels)
    return too_large(what, "at most " + std::to_string(max_pixels) + " in all");
  return std::nullopt;
}

namespace {

constexpr std::string_view kPngSignature = "\x89PNG\r\n\x1a\n"sv;

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
    return too_large("the image has " + std::to_string(bytes.size()) + " bytes",
                     "at most " + std::to_string(limits.max_bytes));
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
