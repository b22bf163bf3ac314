#pragma once

#include <cstddef>
#include <string_view>

namespace ei {

/// Longest origin that is taken: a host name has at most 253 characters.
inline constexpr std::size_t kMaxOriginLength = 300;
/// What an origin must be, for an error message.
inline constexpr std::string_view kOriginForm =
    "an origin as a browser sends it, such as https://app.example.com or http://localhost:3000: lower case, "
    "no path, no default port";

/// True for a web origin as a browser writes it in an Origin field (RFC 6454, section 6.2): `scheme://host`
/// or `scheme://host:port`, in lower case, without the port that is the scheme's own. Anything else would
/// never equal what a browser sends. `null` is none: it stands for every page that hides where it comes from.
[[nodiscard]] bool is_web_origin(std::string_view text);

}  // namespace ei
