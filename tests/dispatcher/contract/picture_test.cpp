#include <array>
#include <catch2/catch.hpp>
#include <random>

#include "dispatcher/contract/picture/inspect.hpp"
#include "tests/dispatcher/seed.hpp"

using namespace ei::dispatcher;
using namespace std::string_literals;

namespace {

std::string big_endian(std::uint32_t value, int bytes) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(value >> shift & 0xff));
  return out;
}

std::string segment(unsigned char marker, std::string const& data) {
  return "\xff"s + static_cast<char>(marker) + big_endian(static_cast<std::uint32_t>(data.size() + 2), 2) +
         data;
}

struct JpegShape {
  std::uint32_t width = 500;
  std::uint32_t height = 375;
  unsigned char marker = 0xc0;
  char precision = 8;
  char components = 3;
};

std::string frame_header(JpegShape const& shape) {
  std::string data = std::string(1, shape.precision) + big_endian(shape.height, 2) +
                     big_endian(shape.width, 2) + std::string(1, shape.components);
  for (char i = 0; i < shape.components; ++i) data += std::string(1, i) + "\x11" + "\0"s;
  return segment(shape.marker, data);
}

// A scan of the components [first, first + count), of the coefficients `low` to `high`.
std::string scan_header(int first, int count, int low = 0, int high = 63, int bits = 0) {
  std::string data(1, static_cast<char>(count));
  for (int i = first; i < first + count; ++i) data += std::string(1, static_cast<char>(i)) + "\0"s;
  for (int const value : {low, high, bits}) data += static_cast<char>(value);
  return segment(0xda, data);
}

// Entropy-coded data with every byte pair that must not end it.
std::string const kScan = "abc\xff\0def\xff\xd3ghi\xff\xff\0jkl"s;

std::string jpeg(JpegShape const& shape = {}) {
  return "\xff\xd8"s + segment(0xe0, "JFIF\0\1\1\0\0\1\0\1\0\0"s) +
         segment(0xe1, "Exif\0\0with a thumbnail \xff\xd8\xff\xd9"s) + frame_header(shape) +
         scan_header(0, shape.components) + kScan + "\xff\xd9"s;
}

std::string chunk(std::string const& type, std::string const& data) {
  return big_endian(static_cast<std::uint32_t>(data.size()), 4) + type + data + "crc!";
}

std::string png_header(std::uint32_t width, std::uint32_t height,
                       std::string const& rest = "\x08\x02\0\0\0"s) {
  return chunk("IHDR", big_endian(width, 4) + big_endian(height, 4) + rest);
}

std::string const kPngSignature = "\x89PNG\r\n\x1a\n";

std::string png(std::uint32_t width = 500, std::uint32_t height = 375,
                std::string const& rest = "\x08\x02\0\0\0"s) {
  return kPngSignature + png_header(width, height, rest) + chunk("tEXt", "comment") + chunk("IDAT", "data") +
         chunk("IEND", "");
}

// A progressive JPEG with a scan of DC coefficients and then `scans`.
std::string progressive(JpegShape shape, std::string const& scans) {
  shape.marker = 0xc2;
  return "\xff\xd8"s + frame_header(shape) + scan_header(0, shape.components, 0, 0) + kScan + scans +
         "\xff\xd9"s;
}

// As libjpeg's jpeg_simple_progression() for YCbCr (jcparam.c).
std::string usual_scans() {
  std::string out;
  for (auto const& [component, low, high, bits] :
       {std::array{0, 1, 5, 0x02}, {2, 1, 63, 0x01}, {1, 1, 63, 0x01}, {0, 6, 63, 0x02}, {0, 1, 63, 0x21}})
    out += scan_header(component, 1, low, high, bits) + kScan;
  out += scan_header(0, 3, 0, 0, 0x10) + kScan;
  for (int const component : {2, 1, 0}) out += scan_header(component, 1, 1, 63, 0x10) + kScan;
  return out;
}

std::string repeat(std::string const& what, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += what;
  return out;
}

BadPicture bad(std::string const& bytes, PictureLimits const& limits = {}) {
  auto const found = inspect_picture(bytes, limits);
  REQUIRE(std::holds_alternative<BadPicture>(found));
  return std::get<BadPicture>(found);
}

Picture good(std::string const& bytes) {
  auto const found = inspect_picture(bytes);
  if (auto const* fault = std::get_if<BadPicture>(&found)) FAIL(fault->detail);
  return std::get<Picture>(found);
}

}  // namespace

TEST_CASE("a JPEG and a PNG tell their size without being decoded") {
  auto const photo = good(jpeg());
  CHECK(photo.type == PictureType::Jpeg);
  CHECK((photo.width == 500 && photo.height == 375));
  auto const drawing = good(png());
  CHECK(drawing.type == PictureType::Png);
  CHECK((drawing.width == 500 && drawing.height == 375));
}

TEST_CASE("progressive, arithmetic, grey and CMYK pictures are pictures") {
  CHECK(good(jpeg({.marker = 0xc1})).width == 500);
  CHECK(good(jpeg({.marker = 0xc2})).width == 500);
  CHECK(good(jpeg({.marker = 0xc9})).width == 500);
  CHECK(good(jpeg({.components = 1})).width == 500);
  CHECK(good(jpeg({.components = 4})).width == 500);
  for (auto const& rest : {"\x10\x06\0\0\1"s, "\x01\x00\0\0\0"s, "\x08\x03\0\0\0"s, "\x08\x04\0\0\0"s}) {
    CHECK(good(png(3, 4, rest)).height == 4);
  }
}

TEST_CASE("a progressive picture's scans are walked to its end marker, without which it is cut off") {
  std::string const whole = progressive({}, usual_scans());
  CHECK(good(whole).width == 500);
  CHECK(bad(whole.substr(0, whole.size() - 2)).fault == PictureFault::Truncated);
}

TEST_CASE("bytes after the end marker are ignored, as decoders do") {
  CHECK(good(jpeg() + "second picture of a phone").width == 500);
  CHECK(good(png() + "trailer").width == 500);
}

TEST_CASE("a picture cut before its data is truncated, and of one cut within it only a decoder can tell") {
  struct Row {
    std::string whole;
    std::size_t data_from;
  };
  std::size_t const trailer = kScan.size() + 2;
  for (auto const& [whole, data_from] :
       {Row{jpeg(), jpeg().size() - trailer}, Row{png(), png().size() - 12 - 4 - 4}}) {
    for (std::size_t size = 1; size < whole.size(); ++size) {
      INFO("cut to " << size << " of " << whole.size() << " bytes");
      auto const found = inspect_picture(whole.substr(0, size));
      if (auto const* fault = std::get_if<BadPicture>(&found)) {
        CHECK(fault->fault == PictureFault::Truncated);
      } else {
        CHECK(size >= data_from);
      }
    }
  }
  // More of the data is missing than its checksum of four bytes.
  std::string const ends = kPngSignature + png_header(1, 1) + chunk("IDAT", "0123456789");
  CHECK(bad(ends.substr(0, ends.size() - 4 - 5)).fault == PictureFault::Truncated);
  CHECK(good(ends.substr(0, ends.size() - 4 - 4)).data.size() == 1);
}

TEST_CASE("what Pillow skips is skipped: bytes between segments, a trailer for an end, no IEND") {
  auto const whole = jpeg();
  CHECK(good(whole.substr(0, 20) + std::string(7, '\0') + "junk" + whole.substr(20)).width == 500);
  CHECK(good(whole.substr(0, whole.size() - 2) + "a vendor's trailer \xff\x17 of its own").width == 500);
  auto const drawing = png();
  CHECK(good(drawing.substr(0, drawing.size() - 12)).width == 500);
  CHECK(good(drawing.substr(0, drawing.size() - 12) + "\xff\xff\xff\xffjunk").width == 500);
}

TEST_CASE("limits are checked from the header and named in the answer") {
  CHECK(good(jpeg({.width = 16384, .height = 1024})).width == 16384);
  CHECK(bad(jpeg({.width = 16385, .height = 1})).detail ==
        "the image has 16385x1 pixels; allowed: at most 16384 a side");
  CHECK(bad(jpeg({.width = 1, .height = 16385})).fault == PictureFault::TooLarge);
  CHECK(good(jpeg({.width = 10000, .height = 10000})).width == 10000);
  CHECK(bad(jpeg({.width = 10001, .height = 10000})).detail ==
        "the image has 10001x10000 pixels; allowed: at most 100000000 in all");
  CHECK(bad(jpeg({.width = 300, .height = 400}), {.max_pixels = 1000}).fault == PictureFault::TooLarge);
  CHECK(bad(png(300, 400), {.max_pixels = 1000}).fault == PictureFault::TooLarge);
  CHECK(bad(png(4096, 4097)).detail == "the image has 4096x4097 pixels; allowed: at most 16777216 in all");
  CHECK(good(png(4096, 4096)).width == 4096);
  CHECK(bad(png(0x7fffffff, 0x7fffffff)).fault == PictureFault::TooLarge);
  CHECK(bad(png(0xffffffff, 0xffffffff)).fault == PictureFault::TooLarge);
  CHECK(bad(jpeg({.width = 0})).fault == PictureFault::NotAnImage);
  CHECK(bad(png(3, 0)).fault == PictureFault::NotAnImage);
  CHECK(bad(jpeg(), {.max_bytes = 10}).detail ==
        "the image has " + std::to_string(jpeg().size()) + " bytes; allowed: at most 10");
  // Even before the rest has been looked at.
  CHECK(bad(jpeg({.width = 60000, .height = 60000}).substr(0, 100)).fault == PictureFault::TooLarge);
}

TEST_CASE("other picture formats are told apart from what is no picture") {
  for (auto const& [bytes, name] : std::vector<std::pair<std::string, std::string>>{
           {"GIF89a rest", "GIF"},
           {"GIF87a", "GIF"},
           {"RIFF\1\2\3\4WEBPVP8 ", "WebP"},
           {"II*\0rest"s, "TIFF"},
           {"\0\0\0\x20"
            "ftypavif"s,
            "AVIF"},
           {"\0\0\0\x18"
            "ftypheic"s,
            "HEIF"},
           {"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\1\0\0\0\1\0\0\0"s, "BMP"}}) {
    CAPTURE(name);
    auto const fault = bad(bytes);
    CHECK(fault.fault == PictureFault::Unsupported);
    CHECK(fault.detail == name + " is not supported; allowed: JPEG (8 bits a channel) and PNG");
  }
  CHECK(bad("").detail == "not an image: it has no bytes; allowed: JPEG (8 bits a channel) and PNG");
  CHECK(bad("hello").detail ==
        "not an image: it begins with the bytes 68 65 6c 6c; allowed: JPEG (8 bits a channel) and PNG");
  CHECK(bad("BM is how this text begins, and it goes on").fault == PictureFault::NotAnImage);
  CHECK(bad("\0\0\0\0"s).fault == PictureFault::NotAnImage);
}

TEST_CASE("JPEG processes that no common decoder reads are unsupported, not broken") {
  CHECK(bad(jpeg({.marker = 0xc3})).fault == PictureFault::Unsupported);
  CHECK(bad(jpeg({.precision = 12})).detail ==
        "a JPEG of process SOF0 with 12 bits and 3 components is not supported; allowed: JPEG (8 bits a "
        "channel) and PNG");
  CHECK(bad(jpeg({.components = 2})).fault == PictureFault::Unsupported);
}

TEST_CASE("headers that contradict themselves are refused") {
  struct Row {
    std::string bytes;
    const char* why;
  };
  std::string const soi = "\xff\xd8"s;
  std::string const scan = scan_header(0, 3) + kScan;
  std::string const eoi = "\xff\xd9"s;
  for (auto const& row : std::vector<Row>{
           {soi + frame_header({}) + eoi, "no scan"},
           {soi + "\xff" + eoi.substr(1), "nothing but an end"},
           {soi + scan + eoi, "a scan before its frame"},
           {soi + frame_header({}) + frame_header({}) + scan + eoi, "two frames"},
           {soi + segment(0xc0, "\x08") + scan + eoi, "a frame header without a size"},
           {soi + segment(0xc0, "\x08\0\1\0\1\3"s) + scan + eoi, "components missing"},
           {soi + "\xff\xe0\0\1"s + frame_header({}) + scan + eoi, "a segment shorter than its own length"},
           {soi + "\xff\xd8" + frame_header({}) + scan + eoi, "a second beginning"},
           {soi + segment(0xc0, "\x08\0\1\0\1\1\1\x50\0"s) + scan + eoi, "five samples across"},
           {kPngSignature + chunk("IDAT", "data") + chunk("IEND", ""), "no header"},
           {kPngSignature + chunk("IHDR", "short") + chunk("IEND", ""), "a short header"},
           {kPngSignature + png_header(1, 1) + chunk("IEND", ""), "no data"},
           {kPngSignature + png_header(1, 1) + "\xff\xff\xff\xffIDATrest of it", "a length over 2^31"},
           {png(1, 1, "\x03\x02\0\0\0"s), "3 bits of colour"},
           {png(1, 1, "\x08\x05\0\0\0"s), "colour type 5"},
           {png(1, 1, "\x08\x02\1\0\0"s), "an unknown compression"},
           {png(1, 1, "\x08\x02\0\0\2"s), "an unknown interlace"},
       }) {
    INFO(row.why);
    CHECK(bad(row.bytes).fault == PictureFault::NotAnImage);
  }
}

TEST_CASE("the usual progressive pictures of 2^24 pixels are within the budget, those of empty scans not") {
  JpegShape const large{.width = 4096, .height = 4096};
  CHECK(good(progressive(large, usual_scans())).width == 4096);
  // 262,144 blocks of 16 steps, and of 63 more where they are looked at again.
  std::string const refining = scan_header(0, 1, 1, 63, 0x10);
  auto const grey = [](std::uint32_t side) {
    return JpegShape{.width = side, .height = side, .components = 1};
  };
  CHECK(good(progressive(grey(4096), repeat(refining, 12))).width == 4096);
  CHECK(bad(progressive(grey(4096), repeat(refining, 13))).detail ==
        "the JPEG's first 14 scans of 4096x4096 pixels take 273416192 steps to decode; allowed: at most "
        "268435456");
  CHECK(bad(progressive(grey(4096), repeat(refining, 300'000))).fault == PictureFault::TooLarge);
  CHECK(good(progressive(grey(1024), repeat(refining, 99))).width == 1024);
  CHECK(bad(progressive(grey(8), repeat(refining, 100))).detail ==
        "the JPEG has more than 100 scans; allowed: at most 100");
  SECTION("whatever the scans are of") {
    for (auto const& scan : {scan_header(0, 1, 0, 0, 0x10), scan_header(0, 1, 5, 5), scan_header(9, 1, 1, 63),
                             segment(0xda, "malformed"), segment(0xda, "")}) {
      CHECK(bad(progressive(grey(4096), repeat(scan, 100))).fault == PictureFault::TooLarge);
    }
    // A sequential picture in scans of one component each, again and again.
    std::string const again = "\xff\xd8"s + frame_header(large) + repeat(scan_header(0, 1), 70) + "\xff\xd9"s;
    CHECK(bad(again).fault == PictureFault::TooLarge);
  }
}

TEST_CASE("a restart after every block, and arithmetic decisions, count") {
  JpegShape const grey{.width = 4096, .height = 4096, .marker = 0xc0, .components = 1};
  std::string const restarts = segment(0xdd, "\0\1"s);
  std::string const first = scan_header(0, 1, 1, 63);
  CHECK(good(progressive(grey, repeat(first, 10))).width == 4096);
  CHECK(good(progressive(grey, restarts + repeat(first, 10))).width == 4096);
  CHECK(bad(progressive(grey, restarts + repeat(first, 13))).fault == PictureFault::TooLarge);
  CHECK(good(progressive(grey, restarts + segment(0xdd, "\0\0"s) + repeat(first, 13))).width == 4096);
  CHECK(good(jpeg({.width = 4096, .height = 2048, .marker = 0xc9})).width == 4096);
  CHECK(bad(jpeg({.width = 4096, .height = 4096, .marker = 0xc9})).fault == PictureFault::TooLarge);
}

TEST_CASE("coefficients of several scans are bounded, as a decoder must keep them all") {
  JpegShape const large{.width = 8192, .height = 5000};
  CHECK(good(jpeg(large)).width == 8192);
  auto const refused = bad(progressive(large, ""));
  CHECK(refused.fault == PictureFault::TooLarge);
  CHECK(refused.detail ==
        "the JPEG of 8192x5000 pixels comes in several scans (it is progressive), whose coefficients take "
        "245760000 bytes; allowed: at most 146800640, or all components in one scan (baseline)");
  CHECK(good(progressive({.width = 4096, .height = 4096, .components = 4}, "")).width == 4096);
}

TEST_CASE("segments and chunks are counted") {
  std::string const comment = segment(0xfe, "");
  auto const whole = jpeg();
  CHECK(good(whole.substr(0, 2) + repeat(comment, 4'000) + whole.substr(2)).width == 500);
  CHECK(bad(whole.substr(0, 2) + repeat(comment, 5'000) + whole.substr(2)).detail ==
        "the JPEG has more than 4096 segments; allowed: at most 4096");
  std::string const head = kPngSignature + png_header(1, 1);
  std::string const data = chunk("IDAT", "data");
  for (auto const* const type : {"IDAT", "tEXt", "abCd"}) {
    INFO(type);
    CHECK(good(head + repeat(chunk(type, ""), 60'000) + data).width == 1);
    CHECK(bad(head + repeat(chunk(type, ""), 70'000) + data).detail ==
          "the PNG has more than 65536 chunks; allowed: at most 65536");
  }
}

TEST_CASE("of a PNG, only what makes the picture and its orientation is passed on") {
  std::string const profile = "Raw profile type exif\0\0"s;
  auto const bytes = kPngSignature + png_header(3, 4, "\x08\x03\0\0\0"s) + chunk("iCCP", "profile") +
                     chunk("zTXt", "Comment\0\0bomb"s) + chunk("PLTE", "abc") + chunk("tRNS", "a") +
                     chunk("IDAT", "one") + chunk("IDAT", "") + chunk("zTXt", profile) +
                     chunk("IDAT", "two") + chunk("eXIf", "II") + chunk("IEND", "");
  auto const found = good(bytes);
  CHECK(found.header.starts_with("IHDR"));
  CHECK(found.header.size() == 4 + 13 + 4);
  CHECK(found.palette == "PLTEabccrc!");
  CHECK(found.data == std::vector<std::string_view>{"one", "two"});
  CHECK(found.notes == std::vector<Note>{{"zTXt", profile}, {"eXIf", "II"}});
  CHECK(good(kPngSignature + png_header(1, 1) + repeat(chunk("eXIf", "II"), 1000) + chunk("IDAT", "x"))
            .notes.size() == PictureBudget::kNotes);
}

TEST_CASE("of a JPEG, every APP1 that may say the orientation is passed on, and no other") {
  auto const whole = jpeg();
  std::string const exif = "Exif\0\0one"s, xmp = "http://ns.adobe.com/xap/1.0/\0<x/>"s;
  std::string const bytes = whole.substr(0, 2) + segment(0xe1, "") + segment(0xe1, xmp) +
                            segment(0xe2, exif) + segment(0xe1, "http://ns.adobe.com/xmp/extension/\0more"s) +
                            segment(0xe1, exif) + segment(0xe1, "Exif\0\0two"s) + whole.substr(2);
  auto found = good(bytes);
  REQUIRE(found.notes.size() == 4);
  found.notes.pop_back();  // the one that was there before
  CHECK(found.notes == std::vector<Note>{{"APP1", xmp}, {"APP1", exif}, {"APP1", "Exif\0\0two"s}});
}

TEST_CASE("any bytes whatever give a picture or a fault") {
  auto const seed = test_seed();
  INFO("EI_SEED=" << seed);
  std::mt19937 random(seed);
  std::string const wholes[] = {jpeg(), png(), jpeg({.marker = 0xc2})};
  for (int round = 0; round < 50'000; ++round) {
    std::string bytes = wholes[random() % 3];
    for (auto edits = 1 + random() % 6; edits > 0 && !bytes.empty(); --edits) {
      auto const at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 20);
          break;
        case 2:
          bytes.insert(at, 1 + random() % 3, static_cast<char>(random() % 2 == 0 ? 0xff : random()));
          break;
        default:
          bytes.resize(at);
          break;
      }
    }
    // An exact copy on the heap, so that a sanitizer sees any read past its end.
    std::vector<char> const copy(bytes.begin(), bytes.end());
    auto const found = inspect_picture({copy.data(), copy.size()});
    if (auto const* picture = std::get_if<Picture>(&found)) {
      REQUIRE((picture->width > 0 && picture->width <= 16'384));
      REQUIRE((picture->height > 0 && picture->height <= 16'384));
      REQUIRE(std::uint64_t{picture->width} * picture->height <= 100'000'000);
    } else {
      REQUIRE_FALSE(std::get<BadPicture>(found).detail.empty());
    }
  }
}
