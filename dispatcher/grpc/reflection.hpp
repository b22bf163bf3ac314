#pragma once

#include <reflection.pb.h>

namespace ei::dispatcher::grpc_front {

/// The answer to one question of server reflection, from the descriptors that are compiled in. Never more
/// than those files, a few kilobytes.
[[nodiscard]] grpc::reflection::v1::ServerReflectionResponse reflection_answer(
    grpc::reflection::v1::ServerReflectionRequest const& asked);

}  // namespace ei::dispatcher::grpc_front
