#include <catch2/catch.hpp>
#include <random>

#include "dispatcher/picture/inspect.hpp"
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

// Entropy-coded data with every byte pair that must not end it.
std::string const kScan = "abc\xff\0def\xff\xd3ghi\xff\xff\0jkl"s;

std::string jpeg(JpegShape const& shape = {}) {
  return "\xff\xd8"s + segment(0xe0, "JFIF\0\1\1\0\0\1\0\1\0\0"s) +
         segment(0xe1, "Exif with a thumbnail \xff\xd8\xff\xd9"s) + frame_header(shape) +
         segment(0xda, "\3\1\0\2\x11\3\x11\0\x3f\0"s) + kScan + "\xff\xd9"s;
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
  CHECK(good(jpeg()) == Picture{PictureType::Jpeg, 500, 375});
  CHECK(good(png()) == Picture{PictureType::Png, 500, 375});
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

TEST_CASE("a progressive picture's scans are walked to the last") {
  std::string bytes = jpeg({.marker = 0xc2});
  bytes.resize(bytes.size() - 2);
  for (int scan = 0; scan < 3; ++scan)
    bytes += segment(0xc4, "huffman") + segment(0xda, "scan header") + kScan;
  CHECK(bad(bytes).fault == PictureFault::Truncated);
  CHECK(good(bytes + "\xff\xd9").width == 500);
}

TEST_CASE("bytes after the end marker are ignored, as decoders do") {
  CHECK(good(jpeg() + "second picture of a phone").width == 500);
  CHECK(good(png() + "trailer").width == 500);
}

TEST_CASE("a picture cut anywhere is refused, and never taken for another kind of fault than cut off") {
  for (auto const& whole : {jpeg(), png()}) {
    for (std::size_t size = 1; size < whole.size(); ++size) {
      INFO("cut to " << size << " of " << whole.size() << " bytes");
      CHECK(bad(whole.substr(0, size)).fault == PictureFault::Truncated);
    }
  }
}

TEST_CASE("limits are checked from the header and named in the answer") {
  CHECK(good(jpeg({.width = 16384, .height = 1024})).width == 16384);
  CHECK(bad(jpeg({.width = 16385, .height = 1})).detail ==
        "the image has 16385x1 pixels; allowed: at most 16384 a side");
  CHECK(bad(jpeg({.width = 1, .height = 16385})).fault == PictureFault::TooLarge);
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
  std::string const scan = segment(0xda, "scan header") + kScan;
  std::string const eoi = "\xff\xd9"s;
  for (auto const& row : std::vector<Row>{
           {soi + frame_header({}) + eoi, "no scan"},
           {soi + "\xff" + eoi.substr(1), "nothing but an end"},
           {soi + scan + eoi, "a scan before its frame"},
           {soi + frame_header({}) + frame_header({}) + scan + eoi, "two frames"},
           {soi + segment(0xc0, "\x08") + scan + eoi, "a frame header without a size"},
           {soi + segment(0xc0, "\x08\0\1\0\1\3"s) + scan + eoi, "components missing"},
           {soi + "\xff\xe0\0\1"s + frame_header({}) + scan + eoi, "a segment shorter than its own length"},
           {soi + segment(0xe0, "x") + "garbage", "no marker where one belongs"},
           {soi + "\xff\0"s, "a stuffed byte outside a scan"},
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
      REQUIRE(std::uint64_t{picture->width} * picture->height <= 1 << 24);
    } else {
      REQUIRE_FALSE(std::get<BadPicture>(found).detail.empty());
    }
  }
}
