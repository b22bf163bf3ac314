#include <catch2/catch.hpp>
#include <cmath>

#include "inference/preprocess/decode.hpp"
#include "inference/preprocess/orientation.hpp"
#include "inference/preprocess/transform.hpp"
#include "inference/preprocess/upright.hpp"

using namespace std::string_literals;
using namespace ei;
using namespace ei::inference;

TEST_CASE("geometry: sizes and crops as torchvision rounds them") {
  struct Row {
    int width, height;
    Geometry expected;
    std::string why;
  };
  // Taken from torchvision 0.14: Resize(256), CenterCrop(224).
  auto const row = GENERATE(values<Row>({
      {500, 375, {341, 256, {58, 16, 224, 224}}, "58.5 rounds to the even 58"},
      {375, 500, {256, 341, {16, 58, 224, 224}}, "portrait"},
      {256, 256, {256, 256, {16, 16, 224, 224}}, "nothing to resize"},
      {100, 100, {256, 256, {16, 16, 224, 224}}, "enlarged"},
      {1, 1, {256, 256, {16, 16, 224, 224}}, "one pixel"},
      {301, 256, {301, 256, {38, 16, 224, 224}}, "38.5 rounds to the even 38"},
      {303, 256, {303, 256, {40, 16, 224, 224}}, "39.5 rounds to the even 40"},
      {16384, 1, {4194304, 256, {2097040, 16, 224, 224}}, "a strip"},
  }));
  CAPTURE(row.why);
  auto const found = evaluation_geometry(row.width, row.height);
  CHECK(found.width == row.expected.width);
  CHECK(found.height == row.expected.height);
  CHECK(found.crop.left == row.expected.crop.left);
  CHECK(found.crop.top == row.expected.crop.top);
}

TEST_CASE("filter: weights of every output sum to one and lie within the source") {
  struct Row {
    int in, out;
  };
  auto const row =
      GENERATE(values<Row>({{500, 341}, {10, 256}, {1, 256}, {4000, 256}, {257, 256}, {256, 256}}));
  CAPTURE(row.in, row.out);
  auto const filter = make_filter(row.in, row.out, 0, row.out);
  for (int i = 0; i < row.out; ++i) {
    auto const at = static_cast<std::size_t>(i);
    std::int64_t sum = 0;
    for (int tap = 0; tap < filter.used[at]; ++tap) {
      sum += filter.weights[at * static_cast<std::size_t>(filter.taps) + static_cast<std::size_t>(tap)];
    }
    CHECK(std::abs(sum - (1 << kWeightBits)) <= filter.taps);
    CHECK(filter.start[at] >= 0);
    CHECK(filter.start[at] + filter.used[at] <= row.in);
    CHECK(filter.used[at] >= 1);
  }
}

TEST_CASE("resize: an even picture stays even, and the crop of a picture is the crop of its whole") {
  Pixels source{37, 23, 3, {}};
  for (int i = 0; i < 37 * 23 * 3; ++i) source.samples.push_back(static_cast<std::uint8_t>((i * 7919) % 251));
  PixelView const view{source.samples.data(), 37, 23, 37 * 3};
  auto const whole = resize_bilinear(view, 50, 40, {0, 0, 50, 40});
  auto const part = resize_bilinear(view, 50, 40, {13, 7, 20, 11});
  for (int y = 0; y < 11; ++y) {
    for (int x = 0; x < 20 * 3; ++x) {
      REQUIRE(part.samples[static_cast<std::size_t>(y * 60 + x)] ==
              whole.samples[static_cast<std::size_t>((y + 7) * 150 + 13 * 3 + x)]);
    }
  }
  std::vector<std::uint8_t> const grey(9 * 5 * 3, 77);
  auto const even = resize_bilinear({grey.data(), 9, 5, 27}, 31, 17, {0, 0, 31, 17});
  CHECK(std::all_of(even.samples.begin(), even.samples.end(), [](auto sample) { return sample == 77; }));
}

TEST_CASE("rows: each sample is the sum of its products, whichever instructions compute it") {
  struct Row {
    int in, out, first, count;
    std::string why;
  };
  auto const row = GENERATE(values<Row>({
      {500, 341, 58, 224, "the usual picture: three taps"},
      {1, 256, 16, 224, "one pixel, less than is read at once"},
      {4, 256, 16, 224, "four pixels"},
      {7, 3, 0, 3, "the whole of a small row"},
      {600, 300, 0, 300, "up to the row's last pixel: four and five taps"},
      {4096, 256, 16, 224, "33 taps"},
      {16384, 256, 16, 224, "as many taps as there are"},
  }));
  CAPTURE(row.why);
  auto const filter = make_filter(row.in, row.out, row.first, row.count);
  std::vector<std::uint8_t> source;
  // Both ends of a sample's range among others.
  for (int i = 0; i < row.in * 3; ++i) source.push_back(static_cast<std::uint8_t>((i * 7919) % 256));
  std::vector<std::uint8_t> found(static_cast<std::size_t>(row.count) * 3 + 1, 99);
  RowFilter(filter, row.in).apply(source.data(), found.data());
  CHECK(found.back() == 99);
  for (std::size_t x = 0; x < filter.start.size(); ++x) {
    for (std::size_t c = 0; c < 3; ++c) {
      std::int64_t sum = 1 << (kWeightBits - 1);
      for (int tap = 0; tap < filter.used[x]; ++tap) {
        auto const at = static_cast<std::size_t>(filter.start[x] + tap) * 3 + c;
        sum += std::int64_t{source[at]} *
               filter.weights[x * static_cast<std::size_t>(filter.taps) + static_cast<std::size_t>(tap)];
      }
      REQUIRE(found[3 * x + c] == std::min<std::int64_t>(sum >> kWeightBits, 255));
    }
  }
}

TEST_CASE("resize: columns are rounded as rows are, to the same bits") {
  int const length = 600, other = 5, wanted = 301;
  Pixels wide{length, other, 3, {}}, tall{other, length, 3, {}};
  wide.samples.resize(static_cast<std::size_t>(length * other * 3));
  tall.samples.resize(wide.samples.size());
  auto const at = [](int x, int y, int width, int channel) {
    return static_cast<std::size_t>((y * width + x) * 3 + channel);
  };
  for (int i = 0; i < length; ++i) {
    for (int k = 0; k < other; ++k) {
      for (int c = 0; c < 3; ++c) {
        // Both ends of a sample's range among others.
        auto const sample = static_cast<std::uint8_t>(((i * other + k) * 3 + c) * 7919 % 256);
        wide.samples[at(i, k, length, c)] = sample;
        tall.samples[at(k, i, other, c)] = sample;
      }
    }
  }
  auto const across =
      resize_bilinear({wide.samples.data(), length, other, length * 3}, wanted, other, {0, 0, wanted, other});
  auto const down =
      resize_bilinear({tall.samples.data(), other, length, other * 3}, other, wanted, {0, 0, other, wanted});
  for (int i = 0; i < wanted; ++i) {
    for (int k = 0; k < other; ++k) {
      for (int c = 0; c < 3; ++c) {
        REQUIRE(across.samples[at(i, k, wanted, c)] == down.samples[at(k, i, other, c)]);
      }
    }
  }
}

TEST_CASE("pixels: channels are turned to RGB planes and normalised as ToTensor and Normalize do") {
  std::vector<std::uint8_t> bgr;
  for (int i = 0; i < 256 * 256; ++i) bgr.insert(bgr.end(), {0, 128, 255});
  std::vector<float> out;
  append_pixels({bgr.data(), 256, 256, 256 * 3}, out);
  REQUIRE(out.size() == 3 * 224 * 224);
  CHECK(out[0] == Approx((1.0 - 0.485) / 0.229));
  CHECK(out[224 * 224] == Approx((128 / 255.0 - 0.456) / 0.224));
  CHECK(out[2 * 224 * 224] == Approx((0.0 - 0.406) / 0.225));
}

TEST_CASE("pictures: what is neither JPEG nor PNG, or broken, is a 400 and appends nothing") {
  auto const file =
      GENERATE(as<std::string>{}, "", "hello", "GIF89a", "\xFF\xD8\xFF", "\xFF\xD8\xFF\xE0 no jpeg at all",
               "\x89PNG\r\n\x1A\n", "\x89PNG\r\n\x1A\n and then nothing of use");
  std::vector<float> out{1.0F};
  auto const result = append_picture(file, out);
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().http_status == 400);
  CHECK(out.size() == 1);
}

TEST_CASE("orientation: of the first directory alone, in either byte order, whatever it says of itself") {
  struct Row {
    std::string tiff;
    int expected;
    std::string why;
  };
  std::string const little = "II*\0\x08\0\0\0"s, big = "MM\0*\0\0\0\x08"s;
  std::string const six = "\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"s;
  auto const row = GENERATE_COPY(values<Row>({
      {little + "\x01\0"s + six, 6, "little endian"},
      {big + "\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0"s, 8, "big endian"},
      {big + "\0\x01\x01\x12\0\x04\0\0\0\x01\0\0\0\x03"s, 3, "a long"},
      {little + "\x02\0"s + "\0\x01\x03\0\x01\0\0\0\x06\0\0\0"s + six, 6, "the second entry"},
      {little + "\xff\xff"s + six, 6, "more entries than there are bytes"},
      {little + "\x01\0"s + six.substr(0, 11), 0, "cut off"},
      {little + "\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0"s, 0, "9 is none"},
      {little + "\0\0"s, 0, "no entry"},
      {"II*\0\xff\xff\xff\xff"s + six, 0, "a directory beyond the end"},
      {"II*\0\0\0\0\0"s, 0, "a directory within the header"},
      {"II*\0"s, 0, "a header alone"},
      {"", 0, "nothing"},
  }));
  CAPTURE(row.why);
  CHECK(tiff_orientation(row.tiff) == row.expected);
}

TEST_CASE("upright: every orientation puts stored row 0 and column 0 where EXIF says") {
  // Stored: one row above another, a b c / d e f.
  std::vector<std::string> const expected = {"abc def",  "cba fed",  "fed cba",  "def abc",
                                             "ad be cf", "da eb fc", "fc eb da", "cf be ad"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    std::size_t const width = lies_on_its_side(orientation) ? 2 : 3;
    std::vector<std::string> rows(lies_on_its_side(orientation) ? 3 : 2);
    Upright upright({3, 2}, orientation, [&](int y, std::uint8_t const* bgr) {
      for (std::size_t x = 0; x < width; ++x)
        rows[static_cast<std::size_t>(y)] += static_cast<char>(bgr[3 * x]);
    });
    std::string const stored = "aaabbbcccdddeeefff";
    auto const* const bytes = reinterpret_cast<std::uint8_t const*>(stored.data());
    upright.add(0, bytes);
    upright.add(1, bytes + 9);
    upright.finish();
    std::string found;
    for (auto const& one : rows) found += (found.empty() ? "" : " ") + one;
    CHECK(found == expected[static_cast<std::size_t>(orientation - 1)]);
  }
}

TEST_CASE("reduction: as far as the short side stays fine, and to 2^24 pixels in any case") {
  CHECK(jpeg_reduction(500, 375) == 1);
  CHECK(jpeg_reduction(2000, 1499) == 1);
  CHECK(jpeg_reduction(2000, 1500) == 2);
  CHECK(jpeg_reduction(1500, 2000) == 2);
  CHECK(jpeg_reduction(4000, 2999) == 2);
  CHECK(jpeg_reduction(4000, 3000) == 4);
  CHECK(jpeg_reduction(16384, 16384) == 4);
  CHECK(jpeg_reduction(16384, 1024) == 1);
  CHECK(jpeg_reduction(16384, 1025) == 2);
  CHECK(jpeg_reduction(65535, 1025) == 4);
  CHECK(jpeg_reduction(65535, 65535) == 8);
}
