#pragma once

#include <string_view>

namespace ei::api {

/// A label's or an annotation's name as Kubernetes wants it (IsQualifiedName): at most 63 letters, digits,
/// `-`, `_` and `.` with a letter or digit at both ends, and before it possibly a DNS name of at most 253
/// characters and a slash: `disk`, `example.com/disk`.
[[nodiscard]] bool is_label_name(std::string_view text);

/// A label's value: empty, or as the part of a name after the slash.
[[nodiscard]] bool is_label_value(std::string_view text);

}  // namespace ei::api
