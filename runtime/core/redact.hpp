#pragma once

#include <string>
#include <string_view>

namespace ei {

/// A URL as people and logs may see it: user info, query and fragment are `[redacted]`, as signed URLs carry
/// their key there. Takes any text for a URL, also a malformed one. `builtin://` has nothing to hide.
[[nodiscard]] std::string display_url(std::string_view url);

/// The same for every URL inside a text. One ends at a blank, `"`, `<` or `>`.
[[nodiscard]] std::string redact_urls(std::string_view text);

}  // namespace ei
