#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "runtime/core/result.hpp"

namespace ei::process {

/// The whole file. Errors: NotFound, Io, Protocol when it is over `max_bytes`.
[[nodiscard]] Result<std::string> read_file(std::filesystem::path const& path, std::size_t max_bytes);

/// Writes `bytes` under a temporary name beside `path`, flushes it to the disk and renames it: readers see
/// the old file or the new one, never a part. Errors: Io.
[[nodiscard]] Result<void> write_file_atomically(std::filesystem::path const& path, std::string_view bytes);

}  // namespace ei::process
