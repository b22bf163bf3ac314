#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "inference/checkpoint/tensors.hpp"

namespace ei::inference {

/// Reads `.safetensors` (https://github.com/huggingface/safetensors#format) without copying: the views point
/// into `file`, which must outlive them. Every offset is checked. Errors: Invalid,
/// naming the tensor and the fault.
[[nodiscard]] Result<StateDict> read_safetensors(std::span<const std::byte> file);

}  // namespace ei::inference
