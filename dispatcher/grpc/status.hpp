#pragma once

#include <grpcpp/support/status.h>

#include "runtime/core/result.hpp"

namespace ei::dispatcher::grpc_front {

/// The error as gRPC says it: its code by http_status (500 when 0), and where it has a retry_after, a
/// google.rpc.RetryInfo as its detail.
[[nodiscard]] grpc::Status status_of(Error const& error);

/// The status by which metrics count it, as HTTP's; 499 for a client that left.
[[nodiscard]] int http_status_of(Error const& error);

}  // namespace ei::dispatcher::grpc_front
