#pragma once

#include <cstdint>
#include <filesystem>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// Makes room for `coming` more bytes of a download into `target` that has `have` already, so that the
/// cache's files stay within `limit` together: the downloads that were used longest ago go first, but for
/// `target`'s own part and those that another process is downloading just now. Errors: Io, when the limit or
/// the disk is too small even so.
[[nodiscard]] Result<void> make_room(std::filesystem::path const& target, std::uint64_t have,
                                     std::uint64_t coming, std::uint64_t limit);

/// Notes that a cached file was used just now.
void mark_used(std::filesystem::path const& file);

}  // namespace ei::inference
