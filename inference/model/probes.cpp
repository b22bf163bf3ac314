#include "inference/model/probes.hpp"

#include <cstddef>
#include <cstdint>

namespace ei::inference {
namespace {

constexpr std::size_t kSide = 224;
/// What a white and a black pixel come to with ImageNet's mean and deviation, rounded.
constexpr float kWhite = 2.4F;
constexpr float kBlack = -2.1F;

template <class Pixel>  // (channel, y, x) → float
std::vector<float> picture(Pixel const& pixel) {
  std::vector<float> values;
  values.reserve(3 * kSide * kSide);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t y = 0; y < kSide; ++y) {
      for (std::size_t x = 0; x < kSide; ++x) values.push_back(pixel(channel, y, x));
    }
  }
  return values;
}

float between(std::size_t part, std::size_t whole) {
  return kBlack + (kWhite - kBlack) * static_cast<float>(part) / static_cast<float>(whole);
}

}  // namespace

std::vector<std::vector<float>> probe_pictures() {
  std::uint32_t state = 1;
  auto const noise = [&state](auto...) {
    state = state * 1664525U + 1013904223U;  // Numerical Recipes' generator: any will do
    return between(state >> 16U, 65535);
  };
  return {
      picture([](auto...) { return 0.0F; }),
      picture([](auto...) { return kBlack; }),
      picture([](std::size_t channel, std::size_t y, std::size_t x) {
        return between(channel == 0 ? x : channel == 1 ? y : 2 * kSide - 2 - x - y, 2 * kSide);
      }),
      picture([](std::size_t channel, std::size_t y, std::size_t x) {
        return (x / 16 + y / 32 + channel) % 3 == 0 ? kWhite : kBlack;
      }),
      picture(noise),
  };
}

}  // namespace ei::inference
