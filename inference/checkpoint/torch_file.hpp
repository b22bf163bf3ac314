#pragma once

#include <cstddef>
#include <span>

#include "inference/checkpoint/tensors.hpp"

namespace ei::inference {

/// Which kind of file weights come in, told by content, never by name.
enum class FileFormat { Safetensors, TorchSave, TorchSaveLegacy, TorchScript, Unknown };
[[nodiscard]] FileFormat detect_format(std::span<const std::byte> file);

/// Reads what `torch.save` wrote: a dictionary of tensors, plain or ordered, in the ZIP format (PyTorch
/// ≥ 1.6) or the older one. A training checkpoint's nested dictionary (`state_dict`, `model_state_dict`,
/// `model`) is found; other entries are passed over. The pickle inside is read as data: nothing it names is
/// run, so a hostile file can at worst be refused. The views point into `file`. Errors: Invalid, saying what
/// the file holds instead.
[[nodiscard]] Result<StateDict> read_torch_save(std::span<const std::byte> file);

}  // namespace ei::inference
