// What the routes share: deadlines, checked pictures and errors as answers.
#pragma once

#include <string_view>

#include "dispatcher/exchange/exchange.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/message.hpp"

namespace ei::dispatcher {

/// The header by which a client shortens its deadline, milliseconds.
inline constexpr std::string_view kTimeoutHeader = "X-Request-Timeout-Ms";

/// An Error for one status; `kind` follows from it.
[[nodiscard]] Error status_error(int status, std::string message);

/// The error as problem+json: its http_status (500 when 0), Retry-After where it has one,
/// and for 415 an Accept.
[[nodiscard]] http::Response problem_of(Error const& error);

/// `start` plus the timeout: `longest`, or what kTimeoutHeader says when that is shorter.
/// Errors: 400 for a value that is no positive whole number.
[[nodiscard]] Result<SteadyTime> request_deadline(http::Headers const& headers, milliseconds longest,
                                                  SteadyTime start);

/// Milliseconds with three digits after the point.
[[nodiscard]] double to_ms(Duration duration);

}  // namespace ei::dispatcher
