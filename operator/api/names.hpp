#pragma once

#include <string_view>

namespace ei::api {

/// An ASCII letter or digit.
[[nodiscard]] bool is_alnum(char c);

/// RFC 1035 label as Kubernetes wants it of a Service's name; `digit_first`: RFC 1123, as of most others.
[[nodiscard]] bool is_dns_label(std::string_view text, bool digit_first);

/// RFC 1123 labels with dots between them, as Kubernetes wants it of a Secret's name.
[[nodiscard]] bool is_dns_subdomain(std::string_view text);
inline constexpr std::string_view kSecretName =
    "a Secret's name: at most 253 lower-case letters, digits, '-' and '.', a letter or digit at both ends of "
    "each part";

/// 1 to 63 letters, digits, '-', '_' or '.', a letter or digit at both ends.
[[nodiscard]] bool is_model_name(std::string_view text);

/// Neither blanks nor control characters.
[[nodiscard]] bool is_printable(std::string_view text);

/// Of spec.model.uri: empty when fine, else what it must be.
[[nodiscard]] std::string_view model_uri_fault(std::string_view uri);

/// Whether a URL shows what opens it: a parameter of its query that signs or authorises, or user info.
[[nodiscard]] bool shows_secret(std::string_view url);

}  // namespace ei::api
