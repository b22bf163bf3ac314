#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// The entries of a ZIP archive whose members are stored, not compressed (which is how torch.save writes
/// them), with ZIP64. The views point into `file`. Sizes and offsets come from the central directory and are
/// all checked. Errors: Invalid (no archive, truncated, compressed or encrypted members).
[[nodiscard]] Result<std::map<std::string, std::span<const std::byte>>> read_zip(
    std::span<const std::byte> file);

}  // namespace ei::inference
