#pragma once

#include <string>
#include <string_view>

#include "runtime/core/result.hpp"

namespace ei {

/// RFC 4648 base64 with padding.
[[nodiscard]] std::string base64_encode(std::string_view bytes);

/// Decodes RFC 4648 base64; line breaks and blanks between characters are skipped, padding may be absent.
/// Errors: Invalid (another character, impossible length).
[[nodiscard]] Result<std::string> base64_decode(std::string_view text);

/// Lower-case hexadecimal.
[[nodiscard]] std::string hex_encode(std::string_view bytes);

/// Decodes %XX; a `+` stays a `+`. Errors: Invalid (a broken escape).
[[nodiscard]] Result<std::string> percent_decode(std::string_view text);

/// Escapes everything but RFC 3986's unreserved characters, so the result fits a
/// path segment or a query value.
[[nodiscard]] std::string percent_encode(std::string_view text);

/// True when `text` is well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF).
[[nodiscard]] bool is_utf8(std::string_view text);

/// `text` with U+FFFD in the place of every byte that belongs to no character:
/// well-formed UTF-8 whatever came in.
[[nodiscard]] std::string to_utf8(std::string_view text);

/// The longest beginning of `text` that has at most `max_bytes` bytes and ends between two characters.
[[nodiscard]] std::string_view clipped(std::string_view text, std::size_t max_bytes);

}  // namespace ei
