#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// One file in an archive.
struct ZipMember {
  std::span<const std::byte> bytes;  ///< as they lie in the archive
  bool stored = true;                ///< false: compressed, `bytes` are not the file's
  int method = 0;                    ///< 0: stored, 8: deflate
  std::uint64_t size = 0;            ///< unpacked, as the directory announces it
  std::uint32_t crc = 0;
};

using ZipMembers = std::map<std::string, ZipMember>;

/// The members of a ZIP archive, with ZIP64. torch.save stores its members uncompressed; other programs that
/// pack the same files compress them. The views point into `file`. Sizes and offsets come from the central
/// directory (local headers may leave them to a data descriptor) and are all checked. Errors: Invalid (no
/// archive, truncated, encrypted members, two of one name, more than 65,536 members).
[[nodiscard]] Result<ZipMembers> read_zip(std::span<const std::byte> file);

/// A member's own bytes, and what owns them where they had to be unpacked.
struct ZipContents {
  std::span<const std::byte> bytes;
  std::shared_ptr<void const> keep;
};

/// Unpacks members of one archive: as many bytes in all as the archive may cost.
class Unzip {
 public:
  /// Errors: Invalid: another method than deflate, more than the budget, broken data; without the name.
  [[nodiscard]] Result<ZipContents> operator()(ZipMember const& member);

 private:
  /// A ResNet18 of 65,536 classes in float64 has 360 MB.
  std::uint64_t left_ = 512ULL << 20U;
};

}  // namespace ei::inference
