// What parsing a ModelInferRequest may cost, checked on its bytes before protobuf makes objects of them: two
// bytes of the wire can become an object of eighty, so that 16 MiB of empty outputs were 640 MB. Pure.
#pragma once

#include <string_view>

#include "runtime/core/result.hpp"

namespace ei::dispatcher::grpc_front {

/// Bounds the fields and bytes of a ModelInferRequest outside of its tensors as those of JSON are
/// (oip::kMaxHeadValues, oip::kMaxHeadBytes), and lets only bytes_contents and fp32_contents hold a tensor.
/// Errors: Invalid with http_status 400; bytes that are no protobuf message at all may also pass.
[[nodiscard]] Result<void> check_infer_message(std::string_view bytes);

}  // namespace ei::dispatcher::grpc_front
