// What a dispatcher may hold at most, so that the operator asks for memory that is enough.
#pragma once

#include <cstddef>

namespace ei::dispatcher {

/// Connections for a queue of that capacity. Each waiting request holds one. A client of a full queue must be
/// able to connect to be refused. A quarter and 1,024 more are idle, uploading, or being refused.
[[nodiscard]] constexpr std::size_t max_connections_for(std::size_t queue_capacity) {
  return queue_capacity + queue_capacity / 4 + 1024;
}

/// Bytes that gRPC may hold of calls, connections and messages that are on their way in: three of the largest
/// messages at a time, or 500 ordinary ones. Beyond it gRPC ends idle connections, then calls.
inline constexpr std::size_t kGrpcBytes = std::size_t{64} << 20;

}  // namespace ei::dispatcher
