#pragma once

#include <filesystem>

#include "runtime/core/result.hpp"

namespace ei::backend::local {

/// Makes `folder` (0700) and in it `file` (0600) with a fresh random link token, 256
/// bits in hexadecimal. Errors: Io.
[[nodiscard]] Result<void> make_token(std::filesystem::path const& folder, std::filesystem::path const& file);

/// Makes a new folder that only this user can enter, under `parent`, and keeps it locked while this process
/// lives. Folders of operators that were killed are removed first. Errors: Io.
[[nodiscard]] Result<std::filesystem::path> make_run_dir(std::filesystem::path const& parent);

}  // namespace ei::backend::local
