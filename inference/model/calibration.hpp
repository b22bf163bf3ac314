#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace ei::inference {

/// The largest size that each activation has: the pictures, the stem's output, then for each block its
/// shortcut's output (where it has a convolution), its first convolution's, its own. Positive and finite.
inline constexpr std::size_t kActivations = 2 + 8 * 2 + 3;
using Ranges = std::array<float, kActivations>;

/// How well a network answers as float32 does, over some pictures.
struct Agreement {
  double top1 = 1;                ///< part of the pictures with the same most probable class, [0, 1]
  double largest_difference = 0;  ///< of a probability, [0, 1]
  std::size_t pictures = 0;
  bool operator==(Agreement const&) const = default;
};

/// What calibrating a model comes to; the same pictures and weights give the same.
struct Calibration {
  Ranges ranges{};
  Agreement agreement;
  bool operator==(Calibration const&) const = default;
};

/// Goes up whenever calibration or arithmetic change, so that nothing is kept from an older program.
inline constexpr int kCalibrationVersion = 1;

/// Pictures to calibrate on where nobody gives any, each float32 [3, 224, 224] as a normalised picture: the
/// spectrum and colours of photographs (power falls with the square of the frequency: Field 1987), with
/// shapes in front. The same on every machine.
[[nodiscard]] std::vector<std::vector<float>> calibration_pictures();

/// Compares rows of scores, both [n, classes] row-major, n ≥ 1.
[[nodiscard]] Agreement compare(std::span<const float> exact, std::span<const float> rounded,
                                std::size_t classes);

}  // namespace ei::inference
