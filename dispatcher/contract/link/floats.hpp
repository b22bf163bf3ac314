#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace ei::dispatcher::link {

static_assert(std::numeric_limits<float>::is_iec559 && sizeof(float) == 4);

inline std::uint32_t little_endian(std::uint32_t bits) {
  if constexpr (std::endian::native == std::endian::big) return __builtin_bswap32(bits);
  return bits;
}

/// float32 little-endian.
inline std::string float_bytes(std::vector<float> const& values) {
  std::string out(values.size() * 4, '\0');
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto bits = little_endian(std::bit_cast<std::uint32_t>(values[i]));
    std::memcpy(out.data() + i * 4, &bits, 4);
  }
  return out;
}

/// The inverse of float_bytes(); bytes after the last whole float are left out.
inline std::vector<float> floats(std::string_view bytes) {
  std::vector<float> out(bytes.size() / 4);
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, bytes.data() + i * 4, 4);
    out[i] = std::bit_cast<float>(little_endian(bits));
  }
  return out;
}

}  // namespace ei::dispatcher::link
