#pragma once

#include <cstddef>
#include <span>

#include "inference/checkpoint/tensors.hpp"

namespace ei::inference {

/// True for the tar archive that torch.save wrote before PyTorch 0.2: `storages`, `tensors` and `pickle`.
[[nodiscard]] bool is_torch_tar(std::span<const std::byte> file);

/// Reads one, as torch.serialization's legacy_load does. The views point into `file`. Errors: Invalid.
[[nodiscard]] Result<StateDict> read_torch_tar(std::span<const std::byte> file);

}  // namespace ei::inference
