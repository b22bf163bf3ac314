#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ei::inference {

/// A picture of interleaved 8-bit samples, rows without gaps.
struct Pixels {
  int width = 0;
  int height = 0;
  int channels = 3;
  std::vector<std::uint8_t> samples;  ///< width × height × channels
};

/// Where to look at somebody else's pixels: rows are `stride` bytes apart.
struct PixelView {
  std::uint8_t const* data = nullptr;
  int width = 0;
  int height = 0;
  std::ptrdiff_t stride = 0;
};

/// A rectangle of the resized picture.
struct Box {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
};

/// The filter of one direction, for some outputs of a resizing.
struct Filter {
  int taps = 0;                       ///< weights per output, the unused ones 0
  std::vector<int> start;             ///< first source sample of each output
  std::vector<int> used;              ///< how many of its taps are used
  std::vector<std::int32_t> weights;  ///< count × taps, fixed point with kWeightBits fraction bits
};
inline constexpr int kWeightBits = 22;  // 32 bits less 8 of a sample less 2 of headroom, as Pillow
/// What a sum of products begins with, so that it is rounded.
inline constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);
/// The sample of such a sum.
[[nodiscard]] inline std::uint8_t sample_of(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}
/// For the outputs [first, first + count) of `out`, from `in` samples, which show `extent` (0: `in`) of them:
/// a reduced picture's last sample may stand for less than the others.
[[nodiscard]] Filter make_filter(int in, int out, int first, int count, double extent = 0);

/// Resamples rows of three-channel pixels to other widths. Whichever instructions compute it, each sample is
/// the sum of its products in 32 bits.
class RowFilter {
 public:
  /// For rows of `width` pixels. Precondition: what `filter` reads lies within them.
  RowFilter(Filter filter, int width);
  /// One row of `width` pixels → one pixel for each output of the filter. Reads and writes nothing else.
  void apply(std::uint8_t const* row, std::uint8_t* out) const;

 private:
  Filter filter_;
  int steps_ = 0;                    ///< of four taps each, the same number for every output
  std::size_t in_fours_ = 0;         ///< the first outputs, for which four taps may be computed at once
  std::vector<std::int16_t> parts_;  ///< their weights, as the instructions take them
};

/// Resizes three-channel rows of pixels to `width` × `height`, and keeps only `crop` of it, bit for bit what
/// Pillow's Image.resize(…, BILINEAR) gives there (src/libImaging/Resample.c: a triangle filter as wide as
/// the reduction, horizontal then vertical, 22-bit fixed-point weights, rounding after each). Nothing outside
/// of what `crop` needs is computed, and of each row only its part of the crop is kept. Preconditions: all
/// sizes ≥ 1, `crop` lies within the resized picture.
class Resampler {
 public:
  struct Source {
    int width = 0;
    int height = 0;
    double extent_across = 0;  ///< see make_filter()
    double extent_down = 0;
  };
  Resampler(Source source, int width, int height, Box crop);
  /// Row `y` of the source. Each once, in any order; those that the crop does not need are ignored.
  void add(int y, std::uint8_t const* row);
  /// The crop, after the last row.
  [[nodiscard]] Pixels finish() const;

 private:
  Box crop_;
  RowFilter columns_;
  Filter rows_;
  int first_row_ = 0;
  int last_row_ = 0;                  ///< one behind
  std::vector<std::uint8_t> narrow_;  ///< the rows that matter, already as wide as the crop
};

/// The same of a picture that lies in memory.
[[nodiscard]] Pixels resize_bilinear(PixelView source, int width, int height, Box crop);

}  // namespace ei::inference
