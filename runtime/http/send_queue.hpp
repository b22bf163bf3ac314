#pragma once

#include <cstdint>

namespace ei::http {

/// Bytes that the other end of a TCP connection has acknowledged so far; 0 where the system cannot tell.
[[nodiscard]] std::uint64_t acknowledged_bytes(int socket);

/// Has the system take little more than the network carries (TCP_NOTSENT_LOWAT): what a peer does not take
/// stays with the writer, who counts it. Left to itself the system keeps up to 4 MiB for each connection.
void keep_unsent_short(int socket);

}  // namespace ei::http
