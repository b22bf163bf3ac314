#include "inference/preprocess/resample.hpp"

#include <algorithm>
#include <cmath>

// The loop over rows gains twofold from AVX2's 32-bit multiply, which the baseline x86-64 lacks. g++ compiles
// each such function twice and chooses when the program is loaded; the results are the same integers.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define EI_VECTOR_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define EI_VECTOR_CLONES
#endif

namespace ei::inference {
namespace {

/// One output row from `used` rows that are `stride` apart, vertically: every sample by itself.
EI_VECTOR_CLONES
void blend_rows(std::uint8_t const* __restrict rows, int stride, std::int32_t const* weights, int used,
                std::int32_t* __restrict sums, std::uint8_t* __restrict out) {
  for (int i = 0; i < stride; ++i) sums[i] = kHalf;
  for (int tap = 0; tap < used; ++tap, rows += stride) {
    std::int32_t const weight = weights[tap];
    for (int i = 0; i < stride; ++i) sums[i] += rows[i] * weight;
  }
  for (int i = 0; i < stride; ++i) out[i] = sample_of(sums[i]);
}

}  // namespace

Filter make_filter(int in, int out, int first, int count, double extent) {
  // Resample.c, precompute_coeffs and normalize_coeffs_8bpc, with box [0, extent) and the bilinear filter's
  // support of 1.
  double const scale = (extent > 0 ? extent : in) / out;
  double const filter_scale = std::max(scale, 1.0);
  double const support = filter_scale;
  Filter filter;
  filter.taps = static_cast<int>(std::ceil(support)) * 2 + 1;
  filter.weights.resize(static_cast<std::size_t>(count) * static_cast<std::size_t>(filter.taps));
  std::vector<double> weights(static_cast<std::size_t>(filter.taps));
  for (int i = 0; i < count; ++i) {
    double const center = (first + i + 0.5) * scale;
    double const inverse = 1.0 / filter_scale;
    int const low = std::max(static_cast<int>(center - support + 0.5), 0);
    int const used = std::min(static_cast<int>(center + support + 0.5), in) - low;
    double sum = 0;
    for (int tap = 0; tap < used; ++tap) {
      double const distance = std::abs((tap + low - center + 0.5) * inverse);
      double const weight = distance < 1.0 ? 1.0 - distance : 0.0;
      weights[static_cast<std::size_t>(tap)] = weight;
      sum += weight;
    }
    auto* const fixed = filter.weights.data() + static_cast<std::ptrdiff_t>(i) * filter.taps;
    for (int tap = 0; tap < used; ++tap) {
      double weight = weights[static_cast<std::size_t>(tap)];
      if (sum != 0.0) weight /= sum;
      fixed[tap] = static_cast<std::int32_t>(0.5 + weight * (1 << kWeightBits));
    }
    filter.start.push_back(low);
    filter.used.push_back(used);
  }
  return filter;
}

// Pillow leaves out a direction that does not change; its weights would be exactly 1 on one sample there.
Resampler::Resampler(Source source, int width, int height, Box crop)
    : crop_(crop),
      columns_(make_filter(source.width, width, crop.left, crop.width, source.extent_across), source.width),
      rows_(make_filter(source.height, height, crop.top, crop.height, source.extent_down)),
      first_row_(rows_.start.front()),
      last_row_(rows_.start.back() + rows_.used.back()),
      narrow_(static_cast<std::size_t>(last_row_ - first_row_) * static_cast<std::size_t>(crop.width) * 3) {}

void Resampler::add(int y, std::uint8_t const* row) {
  if (y < first_row_ || y >= last_row_) return;
  columns_.apply(row, narrow_.data() + static_cast<std::ptrdiff_t>(y - first_row_) * crop_.width * 3);
}

Pixels Resampler::finish() const {
  int const stride = crop_.width * 3;
  Pixels out{crop_.width, crop_.height, 3, {}};
  out.samples.resize(static_cast<std::size_t>(crop_.height) * static_cast<std::size_t>(stride));
  std::vector<std::int32_t> sums(static_cast<std::size_t>(stride));
  for (int y = 0; y < crop_.height; ++y) {
    auto const row = static_cast<std::size_t>(y);
    blend_rows(narrow_.data() + static_cast<std::ptrdiff_t>(rows_.start[row] - first_row_) * stride, stride,
               rows_.weights.data() + static_cast<std::ptrdiff_t>(y) * rows_.taps, rows_.used[row],
               sums.data(), out.samples.data() + static_cast<std::ptrdiff_t>(y) * stride);
  }
  return out;
}

Pixels resize_bilinear(PixelView source, int width, int height, Box crop) {
  Resampler resampler({source.width, source.height, 0, 0}, width, height, crop);
  for (int y = 0; y < source.height; ++y) resampler.add(y, source.data + y * source.stride);
  return resampler.finish();
}

}  // namespace ei::inference
