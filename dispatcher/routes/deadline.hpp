// How long a client waits for its answer.
#pragma once

#include <string_view>

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/message.hpp"

namespace ei::dispatcher {

/// The header by which a client shortens its deadline, milliseconds.
inline constexpr std::string_view kTimeoutHeader = "X-Request-Timeout-Ms";

/// `start` plus the timeout: `longest`, or what kTimeoutHeader says when that is shorter.
/// Errors: 400 for a value that is no positive whole number.
[[nodiscard]] Result<SteadyTime> request_deadline(http::Headers const& headers, milliseconds longest,
                                                  SteadyTime start);

}  // namespace ei::dispatcher
