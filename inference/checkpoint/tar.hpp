#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// True when the file begins as a tar archive: its first header's checksum is right.
[[nodiscard]] bool is_tar(std::span<const std::byte> file);

/// The regular files of a tar archive (POSIX.1-1988 and GNU) by name, without a leading `./`. The views point
/// into `file`. Errors: Invalid: a header that is broken, a file that reaches beyond the archive, two of one
/// name, more than 1,024 files.
[[nodiscard]] Result<std::map<std::string, std::span<const std::byte>>> read_tar(
    std::span<const std::byte> file);

}  // namespace ei::inference
