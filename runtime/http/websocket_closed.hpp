#pragma once

#include <string_view>

namespace ei::http {

/// How the message of a WebSocket's error begins that stands for a closing handshake of the peer,
/// and for nothing else.
inline constexpr std::string_view kPeerClosed = "the peer closed";

}  // namespace ei::http
