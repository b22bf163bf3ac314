#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "inference/checkpoint/tensors.hpp"

namespace ei::inference {

/// A state dict that owns its elements.
struct OwnedStateDict {
  std::deque<std::vector<float>> elements;
  StateDict tensors;  ///< views into `elements`
};

/// A ResNet18 whose weights are noise of a usable size: the same for the same seed on every machine.
/// For tests only.
[[nodiscard]] OwnedStateDict random_resnet18(std::uint64_t seed, std::int64_t classes);

}  // namespace ei::inference
