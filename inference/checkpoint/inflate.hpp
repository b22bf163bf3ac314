#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// Unpacks a raw deflate stream (RFC 1951) that must give exactly `size` bytes with this CRC-32. No more than
/// `size` bytes are ever held. Errors: Invalid (broken, too short, too long, another checksum).
[[nodiscard]] Result<std::shared_ptr<std::vector<std::byte> const>> inflate_raw(
    std::span<const std::byte> packed, std::size_t size, std::uint32_t crc);

}  // namespace ei::inference
