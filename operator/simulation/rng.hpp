#pragma once

#include <cmath>
#include <cstdint>

namespace ei::simulation {

/// xoshiro256++ (Blackman and Vigna 2019), seeded by SplitMix64, with the few distributions the
/// simulator needs. The standard library's distributions differ between implementations; these
/// give the same numbers everywhere.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) {
    for (std::uint64_t& word : words_) {
      seed += 0x9e3779b97f4a7c15ULL;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
      word = z ^ (z >> 31);
    }
  }

  std::uint64_t next() {
    std::uint64_t const result = rotate(words_[0] + words_[3], 23) + words_[0];
    std::uint64_t const shifted = words_[1] << 17;
    words_[2] ^= words_[0];
    words_[3] ^= words_[1];
    words_[1] ^= words_[2];
    words_[0] ^= words_[3];
    words_[2] ^= shifted;
    words_[3] = rotate(words_[3], 45);
    return result;
  }

  /// In [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// In [0, count).
  std::uint64_t below(std::uint64_t count) {
    return static_cast<std::uint64_t>(uniform() * static_cast<double>(count));
  }
  double exponential(double mean) { return -mean * std::log1p(-uniform()); }

  /// Standard normal, by Marsaglia's polar method; the second of each pair is thrown away to keep no state.
  double normal() {
    for (;;) {
      double const x = 2 * uniform() - 1;
      double const y = 2 * uniform() - 1;
      double const square = x * x + y * y;
      if (square > 0 && square < 1) return x * std::sqrt(-2 * std::log(square) / square);
    }
  }

  /// Of the given mean and squared coefficient of variation.
  double lognormal(double mean, double cv2) {
    double const sigma2 = std::log1p(cv2);
    return mean * std::exp(std::sqrt(sigma2) * normal() - sigma2 / 2);
  }

 private:
  static std::uint64_t rotate(std::uint64_t value, int bits) {
    return (value << bits) | (value >> (64 - bits));
  }

  std::uint64_t words_[4]{};
};

}  // namespace ei::simulation
