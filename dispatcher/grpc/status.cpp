#include "dispatcher/grpc/status.hpp"

#include <status.pb.h>

#include <chrono>

namespace ei::dispatcher::grpc_front {
namespace {

grpc::StatusCode code_of(int http_status) {
  switch (http_status) {
    case 400:
    case 415:
    case 422:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case 404:
      return grpc::StatusCode::NOT_FOUND;
    case 413:
    case 429:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case 408:
    case 504:
      return grpc::StatusCode::DEADLINE_EXCEEDED;
    case 499:
      return grpc::StatusCode::CANCELLED;
    case 501:
      return grpc::StatusCode::UNIMPLEMENTED;
    // Two workers were lost under the request, which may not be its fault: another try may succeed.
    case 502:
    case 503:
      return grpc::StatusCode::UNAVAILABLE;
    default:
      return grpc::StatusCode::INTERNAL;
  }
}

}  // namespace

int http_status_of(Error const& error) {
  if (error.http_status != 0) return error.http_status;
  return error.kind == ErrorKind::Canceled ? 499 : 500;
}

grpc::Status status_of(Error const& error) {
  auto const code = code_of(http_status_of(error));
  if (!error.retry_after) return {code, error.message};
  google::rpc::RetryInfo retry;
  auto const whole = std::chrono::duration_cast<std::chrono::seconds>(*error.retry_after);
  retry.mutable_retry_delay()->set_seconds(whole.count());
  retry.mutable_retry_delay()->set_nanos(
      static_cast<std::int32_t>(std::chrono::nanoseconds(*error.retry_after - whole).count()));
  google::rpc::Status details;
  details.set_code(static_cast<int>(code));
  details.set_message(error.message);
  details.add_details()->PackFrom(retry);
  return {code, error.message, details.SerializeAsString()};
}

}  // namespace ei::dispatcher::grpc_front
