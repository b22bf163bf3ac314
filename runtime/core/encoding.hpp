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

/// Escapes everything but RFC 3986's unreserved characters, so the result fits a path segment or a query
/// value.
[[nodiscard]] std::string percent_encode(std::string_view text);

/// True when `text` is well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF).
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace ei
