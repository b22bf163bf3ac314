#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "inference/checkpoint/zip.hpp"

namespace ei::inference {

/// What a file is that holds no weights this program reads, and what to do about it, as one sentence: by its
/// first bytes, as file(1) does. Never empty.
[[nodiscard]] std::string describe_foreign(std::span<const std::byte> file);

/// The same of a ZIP archive that torch.save did not write, by its members.
[[nodiscard]] std::string describe_archive(ZipMembers const& members);

}  // namespace ei::inference
