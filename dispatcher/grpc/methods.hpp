// What each method answers. Runs on the executor.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string_view>

#include "dispatcher/grpc/call.hpp"
#include "dispatcher/grpc/server.hpp"
#include "runtime/async/event.hpp"

namespace ei::dispatcher::grpc_front {

/// What the methods share. Outlives every call.
struct MethodContext {
  LiveExchange& live;
  GrpcOptions const& options;
  Event health_changed;
  bool draining = false;  ///< streams that wait for changes end
};

/// The path of a method that is served, as it stands in metrics; empty for any other.
[[nodiscard]] std::string_view known_method(std::string_view path);

/// Answers the call. Errors: how it ends instead; nothing was sent of the answer then.
[[nodiscard]] asio::awaitable<Result<void>> answer(MethodContext& context, Call& call);

/// Bytes of the greatest message that any method takes.
[[nodiscard]] std::size_t max_message(GrpcOptions const& options);

}  // namespace ei::dispatcher::grpc_front
