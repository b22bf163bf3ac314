#include <algorithm>
#include <initializer_list>
#include <optional>

#include "dispatcher/contract/picture/parts.hpp"

namespace ei::dispatcher {
namespace {

// Of every chunk: length and type before its data, checksum after.
constexpr std::size_t kHead = 8;
constexpr std::size_t kChecksum = 4;
constexpr std::size_t kSignature = 8;
constexpr std::size_t kHeaderData = 13;
constexpr std::size_t kAdler = 4;  // of a zlib stream's end; a decoder that has all pixels can do without

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
  if (auto bad = check_size(width, height, limits.max_side, std::min(limits.max_pixels, kWholePixels)))
    return *bad;
  return Picture{PictureType::Png, width, height};
}

bool is_note(std::string_view type) {
  return type == "eXIf" || type == "tEXt" || type == "zTXt" || type == "iTXt";
}

// The keywords under which ImageMagick and others write EXIF, and everybody XMP.
bool may_say_orientation(std::string_view type, std::string_view data) {
  return type == "eXIf" || data.starts_with("Raw profile type exif") ||
         data.starts_with("Raw profile type APP1") || data.starts_with("XML:com.adobe.xmp");
}

}  // namespace

Inspection inspect_png(std::string_view bytes, PictureLimits const& limits) {
  if (bytes.size() - kSignature < kHead + kHeaderData + kChecksum) {
    bool const begins = bytes.size() - kSignature < kHead || bytes.substr(kSignature + 4, 4) == "IHDR";
    return begins ? truncated("PNG", bytes.size()) : not_an_image("the PNG does not begin with its header");
  }
  if (bytes.substr(kSignature + 4, 4) != "IHDR" || big_endian_32(bytes, kSignature) != kHeaderData)
    return not_an_image("the PNG does not begin with its header");
  auto found = read_png_header(bytes.substr(kSignature + kHead, kHeaderData), limits);
  auto* const picture = std::get_if<Picture>(&found);
  if (picture == nullptr) return found;
  picture->header = bytes.substr(kSignature + 4, 4 + kHeaderData + kChecksum);

  bool data_seen = false;
  std::size_t at = kSignature + kHead + kHeaderData + kChecksum;
  // What follows the picture's data may be broken or missing: nothing there is needed.
  auto const end = [&](BadPicture bad) -> Inspection {
    if (data_seen) return std::move(*picture);
    return bad;
  };
  for (std::size_t chunks = 1;; ++chunks) {
    if (bytes.size() - at < kHead) return end(truncated("PNG", bytes.size()));
    if (chunks >= PictureBudget::kChunks) {
      return too_large("the PNG has more than " + std::to_string(chunks) + " chunks",
                       "at most " + std::to_string(PictureBudget::kChunks));
    }
    std::uint32_t const length = big_endian_32(bytes, at);
    std::string_view const type = bytes.substr(at + 4, 4);
    std::size_t const left = bytes.size() - at - kHead;
    if (length > 0x7fffffffu)
      return end(not_an_image("the PNG has a chunk of length " + std::to_string(length)));
    if (type == "IEND") return end(not_an_image("the PNG ends without picture data"));
    std::string_view const data = bytes.substr(at + kHead, std::min<std::size_t>(length, left));
    if (type == "IDAT") {
      if (length > left + kAdler) return truncated("PNG", bytes.size());
      data_seen = true;
      if (!data.empty()) picture->data.push_back(data);
    }
    if (left < kChecksum || length > left - kChecksum) return end(truncated("PNG", bytes.size()));
    if (type == "PLTE" && picture->palette.empty())
      picture->palette = bytes.substr(at + 4, 4 + length + kChecksum);
    if (is_note(type) && may_say_orientation(type, data) && picture->notes.size() < PictureBudget::kNotes)
      picture->notes.push_back({type, data});
    at += kHead + length + kChecksum;
  }
}

}  // namespace ei::dispatcher
