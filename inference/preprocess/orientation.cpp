#include "inference/preprocess/orientation.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <string>

namespace ei::inference {
namespace {

using namespace std::string_view_literals;

/// EXIF fits a JPEG's segment of 64 KiB; as hexadecimal digits with line ends it is a little over 128.
constexpr std::size_t kMaxText = 256 * 1024;
constexpr std::uint32_t kOrientationTag = 0x0112;

bool is_orientation(std::uint32_t value) {
  return value >= 1 && value <= 8;
}

/// The first kMaxText bytes of what zlib's `packed` unpacks to;
/// broken data gives what comes before the break.
std::string unpack(std::string_view packed) {
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) return {};
  std::string out(kMaxText, '\0');
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): zlib only reads
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  ::inflate(&stream, Z_FINISH);
  out.resize(out.size() - stream.avail_out);
  ::inflateEnd(&stream);
  return out;
}

/// Cuts `from` behind its first zero byte and returns what was before; all of it if there is none.
std::string_view take_string(std::string_view& from) {
  auto const end = std::min(from.find('\0'), from.size());
  auto const out = from.substr(0, end);
  from.remove_prefix(std::min(end + 1, from.size()));
  return out;
}

/// The text of a tEXt, zTXt or iTXt chunk (W3C PNG, 11.3.3), unpacked.
std::string text_of(dispatcher::Note const& note) {
  std::string_view rest = note.data;
  take_string(rest);  // the keyword
  if (note.type == "tEXt") return std::string(rest.substr(0, kMaxText));
  bool packed = note.type == "zTXt";
  if (rest.empty()) return {};
  if (packed) {
    rest.remove_prefix(1);  // the method
  } else {
    packed = rest[0] != 0;
    rest.remove_prefix(std::min<std::size_t>(2, rest.size()));  // flag and method
    take_string(rest);                                          // the language
    take_string(rest);                                          // the keyword in it
  }
  return packed ? unpack(rest) : std::string(rest.substr(0, kMaxText));
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The bytes of "\nexif\n    1234\n45786966…": an empty line, a name, a length, and hexadecimal lines.
std::string raw_profile(std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    auto const end = text.find('\n');
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  std::string out;
  int high = -1;
  for (char const c : text) {
    int const value = digit(c);
    if (value < 0) continue;
    if (high < 0) {
      high = value;
    } else {
      out += static_cast<char>(high << 4 | value);
      high = -1;
    }
  }
  return out;
}

/// EXIF with or without the name that a JPEG puts before it.
int exif_orientation(std::string_view exif) {
  if (exif.starts_with("Exif\0"sv)) exif.remove_prefix(std::min<std::size_t>(6, exif.size()));
  return tiff_orientation(exif);
}

/// tiff:Orientation="6" or <tiff:Orientation>6<.
int xmp_orientation(std::string_view xmp) {
  constexpr auto kName = "tiff:Orientation"sv;
  for (auto at = xmp.find(kName); at != std::string_view::npos; at = xmp.find(kName, at + 1)) {
    auto value = xmp.substr(at + kName.size());
    if (value.starts_with("=\"") || value.starts_with("='")) {
      value.remove_prefix(2);
    } else if (value.starts_with('>')) {
      value.remove_prefix(1);
    } else {
      continue;
    }
    if (!value.empty() && value[0] >= '1' && value[0] <= '8') return value[0] - '0';
  }
  return 0;
}

bool is_profile(dispatcher::Note const& note) {
  return note.data.starts_with("Raw profile type");
}

int exif_of(dispatcher::Note const& note) {
  if (note.type == "eXIf" || (note.type == "APP1" && note.data.starts_with("Exif")))
    return exif_orientation(note.data);
  if (!is_profile(note)) return 0;
  std::string const text = text_of(note);
  return text.empty() ? 0 : exif_orientation(raw_profile(text));
}

int xmp_of(dispatcher::Note const& note) {
  if (note.type == "APP1" && note.data.starts_with("http:")) return xmp_orientation(note.data);
  if (note.data.starts_with("XML:")) return xmp_orientation(text_of(note));
  return 0;
}

}  // namespace

int tiff_orientation(std::string_view tiff) {
  bool const little = tiff.starts_with("II*\0"sv);
  if (!little && !tiff.starts_with("MM\0*"sv)) return 0;
  auto const number = [&](std::size_t at, int bytes) {
    std::uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) {
      auto const byte =
          static_cast<unsigned char>(tiff[at + static_cast<std::size_t>(little ? bytes - 1 - i : i)]);
      value = value << 8 | byte;
    }
    return value;
  };
  if (tiff.size() < 8) return 0;
  std::size_t const directory = number(4, 4);
  if (directory > tiff.size() - 2) return 0;
  constexpr std::size_t kEntry = 12;  // tag, type, count and value
  std::size_t const entries =
      std::min<std::size_t>(number(directory, 2), (tiff.size() - directory - 2) / kEntry);
  for (std::size_t i = 0; i < entries; ++i) {
    std::size_t const entry = directory + 2 + i * kEntry;
    if (number(entry, 2) != kOrientationTag) continue;
    bool const is_long = number(entry + 2, 2) == 4;  // a SHORT by the standard
    std::uint32_t const value = is_long ? number(entry + 8, 4) : number(entry + 8, 2);
    if (is_orientation(value)) return static_cast<int>(value);
  }
  return 0;
}

int orientation_of(dispatcher::Picture const& picture) {
  for (auto const& note : picture.notes) {
    if (int const found = exif_of(note); found != 0) return found;
  }
  for (auto const& note : picture.notes) {
    if (int const found = xmp_of(note); found != 0) return found;
  }
  return 1;
}

}  // namespace ei::inference
