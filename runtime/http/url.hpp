#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/core/result.hpp"

namespace ei::http {

/// An absolute http, https, ws or wss URL in parts.
struct Url {
  std::string scheme = "http";  ///< lower-case
  std::string host;             ///< a name, or an IP address without brackets
  std::uint16_t port = 80;
  std::string target = "/";  ///< path and query; never empty

  [[nodiscard]] bool secure() const { return scheme == "https" || scheme == "wss"; }
  /// The Host header's value: brackets around IPv6, no port where it is the scheme's own.
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] std::string to_string() const;

  bool operator==(Url const&) const = default;
};

/// Parses an absolute URL; the fragment is dropped. Errors: Invalid (another scheme, user info, bad port,
/// blanks or control characters).
[[nodiscard]] Result<Url> parse_url(std::string_view text);

/// `reference` (a Location header) seen from `base`: absolute, `//host/…`, `/path` or relative.
[[nodiscard]] Result<Url> resolve_url(Url const& base, std::string_view reference);

}  // namespace ei::http
