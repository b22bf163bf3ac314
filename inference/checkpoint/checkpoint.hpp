#pragma once

#include <cstddef>
#include <span>

#include "inference/checkpoint/tensors.hpp"

namespace ei::inference {

/// Reads ResNet18 weights from a whole file's bytes: `.safetensors`, or what torch.save wrote. The views
/// point into `file`. Errors: Invalid (another format, another network, a weight that is not finite or a
/// negative variance, by name and index; a TorchScript archive is no state dict).
[[nodiscard]] Result<StateDict> read_checkpoint(std::span<const std::byte> file);

}  // namespace ei::inference
