#pragma once

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

/// Resizes three-channel `source` to `width` × `height` and returns only `crop` of it, bit for bit what
/// Pillow's Image.resize(…, BILINEAR) gives there (src/libImaging/Resample.c: a triangle filter as wide as
/// the reduction, horizontal then vertical, 22-bit fixed-point weights, rounding after each). Nothing outside
/// of what `crop` needs is computed. Preconditions: all sizes ≥ 1, `crop` lies within the resized picture.
[[nodiscard]] Pixels resize_bilinear(PixelView source, int width, int height, Box crop);

/// The filter of one direction for outputs [first, first + count) of `out` from `in` samples.
struct Filter {
  int taps = 0;                       ///< weights per output, the unused ones 0
  std::vector<int> start;             ///< first source sample of each output
  std::vector<int> used;              ///< how many of its taps are used
  std::vector<std::int32_t> weights;  ///< count × taps, fixed point with kWeightBits fraction bits
};
inline constexpr int kWeightBits = 22;  // 32 bits less 8 of a sample less 2 of headroom, as Pillow
[[nodiscard]] Filter make_filter(int in, int out, int first, int count);

}  // namespace ei::inference
