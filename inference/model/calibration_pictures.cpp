#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "inference/model/calibration.hpp"

namespace ei::inference {
namespace {

constexpr int kSide = 224;
constexpr std::size_t kPixels = kSide * kSide;
/// Top-1 agreement in steps of 3 %, in about a second of float32.
constexpr int kPictures = 32;

/// SplitMix64 (Steele et al. 2014): the same on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  /// Uniform in [low, high).
  float between(float low, float high) {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
    z ^= z >> 31U;
    return low + (high - low) * static_cast<float>(z >> 40U) * 0x1p-24F;
  }

 private:
  std::uint64_t state_;
};

using Plane = std::vector<float>;
using Colour = std::array<float, 3>;

/// Adds smooth noise: random values on a lattice of `cell` pixels, and between them a bilinear surface.
void add_octave(Plane& plane, int cell, float amplitude, Random& random) {
  int const across = kSide / cell + 2;
  Plane lattice(static_cast<std::size_t>(across * across));
  for (auto& value : lattice) value = random.between(-amplitude, amplitude);
  for (int y = 0; y < kSide; ++y) {
    float const down = static_cast<float>(y % cell) / static_cast<float>(cell);
    for (int x = 0; x < kSide; ++x) {
      float const right = static_cast<float>(x % cell) / static_cast<float>(cell);
      auto const* const corner = &lattice[static_cast<std::size_t>(y / cell * across + x / cell)];
      float const top = corner[0] + right * (corner[1] - corner[0]);
      float const bottom = corner[across] + right * (corner[across + 1] - corner[across]);
      plane[static_cast<std::size_t>(y * kSide + x)] += top + down * (bottom - top);
    }
  }
}

/// Noise whose amplitude falls with the frequency, about within ±1. `roughness` 1: as in a photograph.
Plane natural_noise(float roughness, Random& random) {
  Plane plane(kPixels, 0.0F);
  for (int cell = 112; cell >= 1; cell /= 2)
    add_octave(plane, cell, 0.7F * std::pow(static_cast<float>(cell) / 112.0F, 1 / roughness), random);
  return plane;
}

Colour any_colour(Random& random) {
  return {random.between(0, 1), random.between(0, 1), random.between(0, 1)};
}

/// A disc, a turned rectangle or stripes of one colour, over a part of the picture.
void draw_shape(std::array<Plane, 3>& picture, Random& random) {
  auto const colour = any_colour(random);
  float const kind = random.between(0, 3);
  float const x0 = random.between(20, 204);
  float const y0 = random.between(20, 204);
  float const size = random.between(8, 90);
  float const flat = random.between(0.3F, 1);
  float const turn = random.between(0, 3.14159F);
  float const period = random.between(4, 30);
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      float const dx = static_cast<float>(x) - x0;
      float const dy = static_cast<float>(y) - y0;
      float const u = (std::cos(turn) * dx + std::sin(turn) * dy) / size;
      float const v = (std::cos(turn) * dy - std::sin(turn) * dx) / (size * flat);
      bool const box = std::abs(u) < 1 && std::abs(v) < 1;
      bool const inside = kind < 1   ? u * u + v * v < 1
                          : kind < 2 ? box
                                     : box && std::fmod(u * size + 1000, period) < period / 2;
      if (!inside) continue;
      for (std::size_t c = 0; c < 3; ++c) picture[c][static_cast<std::size_t>(y * kSide + x)] = colour[c];
    }
  }
}

std::vector<float> picture(Random& random) {
  auto const ground = any_colour(random);
  auto const light = natural_noise(random.between(0.7F, 1.6F), random);
  float const contrast = random.between(0.1F, 0.7F);
  float const colourful = random.between(0, 0.3F);
  std::array<Plane, 3> planes;
  for (std::size_t c = 0; c < 3; ++c) {
    planes[c] = natural_noise(1, random);
    for (std::size_t i = 0; i < kPixels; ++i)
      planes[c][i] = ground[c] + contrast * light[i] + colourful * planes[c][i];
  }
  for (int shapes = static_cast<int>(random.between(0, 6)); shapes > 0; --shapes) draw_shape(planes, random);
  // ImageNet's mean and deviation, as the worker's own pictures are normalised.
  constexpr Colour kMean = {0.485F, 0.456F, 0.406F};
  constexpr Colour kDeviation = {0.229F, 0.224F, 0.225F};
  std::vector<float> values;
  values.reserve(3 * kPixels);
  for (std::size_t c = 0; c < 3; ++c) {
    for (float const value : planes[c])
      values.push_back((std::clamp(value, 0.0F, 1.0F) - kMean[c]) / kDeviation[c]);
  }
  return values;
}

}  // namespace

std::vector<std::vector<float>> calibration_pictures() {
  Random random(2022);
  std::vector<std::vector<float>> pictures;
  pictures.reserve(kPictures);
  for (int i = 0; i < kPictures; ++i) pictures.push_back(picture(random));
  return pictures;
}

}  // namespace ei::inference
