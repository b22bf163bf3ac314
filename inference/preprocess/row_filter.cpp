#include <algorithm>
#include <cstring>
#include <utility>

#include "inference/preprocess/resample.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define EI_HAS_AVX2_CODE
#endif

namespace ei::inference {
namespace {

void one_by_one(std::uint8_t const* row, Filter const& filter, std::size_t first, std::uint8_t* out) {
  for (auto x = first; x < filter.start.size(); ++x) {
    auto const* weights = filter.weights.data() + static_cast<std::ptrdiff_t>(x) * filter.taps;
    auto const* from = row + static_cast<std::ptrdiff_t>(filter.start[x]) * 3;
    std::int32_t sums[3] = {kHalf, kHalf, kHalf};
    for (int tap = 0; tap < filter.used[x]; ++tap) {
      for (int c = 0; c < 3; ++c) sums[c] += from[3 * tap + c] * weights[tap];
    }
    for (std::size_t c = 0; c < 3; ++c) out[3 * x + c] = sample_of(sums[c]);
  }
}

#ifdef EI_HAS_AVX2_CODE
/// What one instruction takes: four pixels of three samples, from the 16 bytes at the first one.
constexpr int kFour = 4;
constexpr int kBytesRead = 16;
/// A weight's lower part has so many bits, its upper part the others, so that both fit 16 bits with a sign.
/// The sum of the lower products stays below 2^31 up to 4,113 taps; the largest picture has 131.
constexpr int kLowBits = 11;
static_assert(kWeightBits - kLowBits < 15 && kLowBits < 15);
/// For one step: eight upper parts for each half of a register, then the lower parts.
constexpr std::size_t kPartsOfStep = 32;

/// All three channels of an output at once, four taps in each step. Writes a fourth byte,
/// which the next output overwrites.
__attribute__((target("avx2"))) void in_fours(std::uint8_t const* row, int const* start,
                                              std::int16_t const* parts, int steps, std::size_t count,
                                              std::uint8_t* out) {
  // b0 g0 r0 b1 g1 r1 b2 … → b0 b1 g0 g1 r0 r1 and b2 b3 g2 g3 r2 r3, as 16 bits each
  __m256i const order = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                                         6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  __m128i const half = _mm_set1_epi32(kHalf);
  for (std::size_t x = 0; x < count; ++x, out += 3) {
    auto const* from = row + static_cast<std::ptrdiff_t>(start[x]) * 3;
    __m256i upper = _mm256_setzero_si256();
    __m256i lower = _mm256_setzero_si256();
    for (int step = 0; step < steps; ++step, from += 3 * kFour, parts += kPartsOfStep) {
      auto const* const weights = reinterpret_cast<__m256i const*>(parts);
      __m256i const bytes =
          _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<__m128i const*>(from)));
      __m256i const samples = _mm256_shuffle_epi8(bytes, order);
      upper = _mm256_add_epi32(upper, _mm256_madd_epi16(samples, _mm256_loadu_si256(weights)));
      lower = _mm256_add_epi32(lower, _mm256_madd_epi16(samples, _mm256_loadu_si256(weights + 1)));
    }
    __m256i const both = _mm256_add_epi32(_mm256_slli_epi32(upper, kLowBits), lower);
    __m128i const sums = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
    __m128i const values = _mm_srai_epi32(_mm_add_epi32(sums, half), kWeightBits);
    __m128i const words = _mm_packs_epi32(values, values);
    int const pixel = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    std::memcpy(out, &pixel, sizeof pixel);
  }
}

/// How many of the outputs in_fours() may compute without leaving the row or what it writes to.
std::size_t count_safe(Filter const& filter, int steps, int width) {
  std::size_t safe = 0;
  // The last step's bytes begin at its first pixel.
  int const reach = 3 * kFour * (steps - 1) + kBytesRead;
  while (safe + 1 < filter.start.size() && 3 * filter.start[safe] + reach <= 3 * width) ++safe;
  return safe;
}

std::vector<std::int16_t> split(Filter const& filter, std::size_t outputs, int steps) {
  std::vector<std::int16_t> parts;
  parts.reserve(outputs * static_cast<std::size_t>(steps) * kPartsOfStep);
  for (std::size_t x = 0; x < outputs; ++x) {
    auto const weight = [&](int tap) {
      return tap < filter.used[x]
                 ? filter.weights[x * static_cast<std::size_t>(filter.taps) + static_cast<std::size_t>(tap)]
                 : 0;
    };
    for (int step = 0; step < steps; ++step) {
      for (bool const upper : {true, false}) {
        for (int lane = 0; lane < 16; ++lane) {
          auto const whole = weight(step * kFour + lane / 8 * 2 + lane % 2);
          parts.push_back(
              static_cast<std::int16_t>(upper ? whole >> kLowBits : whole & ((1 << kLowBits) - 1)));
        }
      }
    }
  }
  return parts;
}
#endif

}  // namespace

RowFilter::RowFilter(Filter filter, [[maybe_unused]] int width) : filter_(std::move(filter)) {
#ifdef EI_HAS_AVX2_CODE
  if (__builtin_cpu_supports("avx2") == 0) return;
  steps_ = (*std::max_element(filter_.used.begin(), filter_.used.end()) + kFour - 1) / kFour;
  in_fours_ = count_safe(filter_, steps_, width);
  parts_ = split(filter_, in_fours_, steps_);
#endif
}

void RowFilter::apply(std::uint8_t const* row, std::uint8_t* out) const {
#ifdef EI_HAS_AVX2_CODE
  if (in_fours_ != 0) in_fours(row, filter_.start.data(), parts_.data(), steps_, in_fours_, out);
#endif
  one_by_one(row, filter_, in_fours_, out);
}

}  // namespace ei::inference
