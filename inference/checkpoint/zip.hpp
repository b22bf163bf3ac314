#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// One file in an archive.
struct ZipMember {
  std::span<const std::byte> bytes;  ///< as they lie in the archive
  bool stored = true;                ///< false: compressed, `bytes` are not the file's
};

/// The members of a ZIP archive, with ZIP64. torch.save stores its members uncompressed, so nothing is
/// unpacked here; TorchScript compresses its source code. The views point into `file`. Sizes and offsets come
/// from the central directory and are all checked. Errors: Invalid (no archive, truncated, encrypted
/// members).
[[nodiscard]] Result<std::map<std::string, ZipMember>> read_zip(std::span<const std::byte> file);

}  // namespace ei::inference
