#pragma once

#include <cstddef>
#include <span>

#include "inference/checkpoint/tensors.hpp"

namespace ei::inference {

/// Which kind of file weights come in, told by content, never by name.
enum class FileFormat { Safetensors, TorchSave, TorchSaveLegacy, TorchSaveTar, TorchScript, Unknown };
[[nodiscard]] FileFormat detect_format(std::span<const std::byte> file);

/// Reads what `torch.save` wrote: a dictionary of tensors, plain or ordered, in the ZIP format (PyTorch
/// ≥ 1.6; also packed anew by another program), the older one of pickles, or the tar archive before PyTorch
/// 0.2. A training checkpoint's nested dictionary is found under any keys; other entries are passed over. The
/// pickle inside is read as data: nothing it names is run, so a hostile file can at worst be refused. The
/// views point into `file`, or own what had to be unpacked. Errors: Invalid,
/// saying what the file holds instead.
[[nodiscard]] Result<StateDict> read_torch_save(std::span<const std::byte> file);

}  // namespace ei::inference
