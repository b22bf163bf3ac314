#include <algorithm>
#include <optional>

#include "dispatcher/contract/picture/parts.hpp"
#include "dispatcher/contract/picture/scan_steps.hpp"

namespace ei::dispatcher {
namespace {

// Marker codes (T.81 table B.1).
constexpr std::uint32_t kTem = 0x01, kRst0 = 0xd0, kRst7 = 0xd7, kSoi = 0xd8, kEoi = 0xd9, kSos = 0xda,
                        kDri = 0xdd, kApp1 = 0xe1;

// A start of frame: SOF0–SOF15 without DHT (C4), JPG (C8) and DAC (CC).
bool is_frame(std::uint32_t marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

bool is_restart(std::uint32_t marker) {
  return marker >= kRst0 && marker <= kRst7;
}

// APP1 is EXIF or XMP; of an XMP in many pieces, the first.
bool may_say_orientation(std::string_view app1) {
  using namespace std::string_view_literals;
  return app1.starts_with("Exif\0"sv) || app1.starts_with("http://ns.adobe.com/xap/1.0/\0"sv);
}

// The first byte after entropy-coded data: a 0xff that is neither stuffed (00),
// a restart (d0–d7) nor fill (ff).
std::size_t skip_scan(std::string_view bytes, std::size_t at) {
  for (;;) {
    at = bytes.find('\xff', at);
    if (at == std::string_view::npos || at + 1 >= bytes.size()) return bytes.size();
    std::uint32_t const next = byte_at(bytes, at + 1);
    if (next == 0xff) {
      ++at;
    } else if (next == 0 || is_restart(next)) {
      at += 2;
    } else {
      return at;
    }
  }
}

class Walk {
 public:
  Walk(std::string_view bytes, PictureLimits const& limits) : bytes_(bytes), limits_(limits) {}

  Inspection run() {
    std::size_t at = 2;  // after SOI
    for (std::size_t markers = 0;; ++markers) {
      // What lies between segments is skipped, as decoders do.
      at = bytes_.find('\xff', at);
      while (at < bytes_.size() && byte_at(bytes_, at) == 0xff) ++at;
      if (at >= bytes_.size()) return truncated("JPEG", bytes_.size());
      std::uint32_t const marker = byte_at(bytes_, at++);
      if (markers >= PictureBudget::kMarkers) {
        return too_large("the JPEG has more than " + std::to_string(markers) + " segments",
                         "at most " + std::to_string(PictureBudget::kMarkers));
      }
      if (marker == kEoi) {
        if (scans_ == 0) return not_an_image("the JPEG ends without picture data");
        return std::move(picture_);
      }
      if (marker == 0x00 || marker == kTem || is_restart(marker)) continue;  // markers without a segment
      if (marker == kSoi)
        return not_an_image("the JPEG has a stray marker at byte " + std::to_string(at - 1));
      if (bytes_.size() - at < 2) return truncated("JPEG", bytes_.size());
      std::size_t const length = big_endian_16(bytes_, at);
      if (length < 2) return not_an_image("the JPEG has a segment of length " + std::to_string(length));
      if (length > bytes_.size() - at) return truncated("JPEG", bytes_.size());
      if (auto bad = read_segment(marker, bytes_.substr(at + 2, length - 2))) return std::move(*bad);
      // Nothing after this scan is decoded, so nothing there needs to be looked at; whether the scan is
      // whole, and its end marker or a vendor's trailer behind it, only a decoder can tell.
      if (whole_) return std::move(picture_);
      at += length;
      if (marker == kSos) at = skip_scan(bytes_, at);
    }
  }

 private:
  std::optional<BadPicture> read_segment(std::uint32_t marker, std::string_view segment) {
    if (is_frame(marker)) return read_frame(marker, segment);
    if (marker == kSos) return read_scan(segment);
    if (marker == kDri && segment.size() == 2) restart_interval_ = big_endian_16(segment, 0);
    if (marker == kApp1 && may_say_orientation(segment) && picture_.notes.size() < PictureBudget::kNotes)
      picture_.notes.push_back({"APP1", segment});
    return std::nullopt;
  }

  // `segment` is precision, height, width, number of components, and 3 bytes for each.
  std::optional<BadPicture> read_frame(std::uint32_t marker, std::string_view segment) {
    if (frame_.count != 0) return not_an_image("the JPEG has two frame headers");
    if (segment.size() < 6)
      return not_an_image("the JPEG's frame header has " + std::to_string(segment.size()) + " bytes");
    std::uint32_t const precision = byte_at(segment, 0);
    std::size_t const components = byte_at(segment, 5);
    // Baseline, extended and progressive; Huffman (0–2) and arithmetic (9, 10).
    // The others are lossless or hierarchical.
    bool const process = marker <= 0xc2 || marker == 0xc9 || marker == 0xca;
    if (!process || precision != 8 || (components != 1 && components != 3 && components != 4)) {
      return BadPicture{PictureFault::Unsupported,
                        "a JPEG of process SOF" + std::to_string(marker - 0xc0) + " with " +
                            std::to_string(precision) + " bits and " + std::to_string(components) +
                            " components is not supported; " + std::string(kAllowed)};
    }
    if (segment.size() != 6 + 3 * components) {
      return not_an_image("the JPEG's frame header has " + std::to_string(segment.size()) + " bytes for " +
                          std::to_string(components) + " components");
    }
    frame_.height = big_endian_16(segment, 1);
    frame_.width = big_endian_16(segment, 3);
    frame_.count = components;
    frame_.progressive = marker == 0xc2 || marker == 0xca;
    frame_.arithmetic = marker >= 0xc9;
    for (std::size_t i = 0; i < components; ++i) {
      std::uint32_t const sampling = byte_at(segment, 7 + 3 * i);
      frame_.components[i] = {byte_at(segment, 6 + 3 * i), sampling >> 4, sampling & 15};
      if (sampling >> 4 < 1 || sampling >> 4 > 4 || (sampling & 15) < 1 || (sampling & 15) > 4) {
        return not_an_image("the JPEG's component " + std::to_string(i) + " has sampling factors " +
                            std::to_string(sampling >> 4) + "x" + std::to_string(sampling & 15));
      }
    }
    picture_.width = frame_.width;
    picture_.height = frame_.height;
    return check_size(frame_.width, frame_.height, limits_.max_side, limits_.max_pixels);
  }

  // `header`: see scan_steps().
  std::optional<BadPicture> read_scan(std::string_view header) {
    if (frame_.count == 0) return not_an_image("the JPEG has picture data before its frame header");
    ++scans_;
    if (scans_ == 1) whole_ = is_whole_picture(frame_, header);
    if (scans_ > PictureBudget::kScans) {
      return too_large("the JPEG has more than " + std::to_string(PictureBudget::kScans) + " scans",
                       "at most " + std::to_string(PictureBudget::kScans));
    }
    std::uint64_t const bytes = blocks_in(frame_) * 64 * 2;
    if (!whole_ && bytes > PictureBudget::kCoefficientBytes) {
      return too_large("the JPEG of " + std::to_string(frame_.width) + "x" + std::to_string(frame_.height) +
                           " pixels comes in several scans (it is progressive), whose coefficients take " +
                           std::to_string(bytes) + " bytes",
                       "at most " + std::to_string(PictureBudget::kCoefficientBytes) +
                           ", or all components in one scan (baseline)");
    }
    steps_ += scan_steps(frame_, header, restart_interval_);
    if (steps_ > PictureBudget::kScanSteps) {
      return too_large("the JPEG's first " + std::to_string(scans_) + " scans of " +
                           std::to_string(frame_.width) + "x" + std::to_string(frame_.height) +
                           " pixels take " + std::to_string(steps_) + " steps to decode",
                       "at most " + std::to_string(PictureBudget::kScanSteps));
    }
    return std::nullopt;
  }

  std::string_view bytes_;
  PictureLimits const& limits_;
  Picture picture_{PictureType::Jpeg};
  Frame frame_;
  std::uint32_t restart_interval_ = 0;
  std::size_t scans_ = 0;
  std::uint64_t steps_ = 0;
  bool whole_ = false;
};

}  // namespace

Inspection inspect_jpeg(std::string_view bytes, PictureLimits const& limits) {
  return Walk(bytes, limits).run();
}

}  // namespace ei::dispatcher
