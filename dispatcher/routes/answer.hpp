// What the routes share: deadlines, checked pictures and errors as answers.
#pragma once

#include <string_view>

#include "dispatcher/exchange/exchange.hpp"
#include "dispatcher/picture/inspect.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/message.hpp"

namespace ei::dispatcher {

/// The header by which a client shortens its deadline, milliseconds.
inline constexpr std::string_view kTimeoutHeader = "X-Request-Timeout-Ms";

/// The pictures a raw body or a form field may be, as a 415 lists them.
inline constexpr std::string_view kPictureTypes = "image/jpeg, image/png";

/// An Error for one status; `kind` follows from it.
[[nodiscard]] Error status_error(int status, std::string message);

/// The error as problem+json: its http_status (500 when 0), Retry-After where it has one, and for 415 an
/// Accept. The member `error`, which Open Inference Protocol clients read, repeats the detail.
[[nodiscard]] http::Response problem_of(Error const& error);

/// `start` plus the timeout: `longest`, or what kTimeoutHeader says when that is shorter.
/// Errors: 400 for a value that is no positive whole number.
[[nodiscard]] Result<SteadyTime> request_deadline(http::Headers const& headers, milliseconds longest,
                                                  SteadyTime start);

/// Success when the bytes are a whole JPEG or PNG within the limits. Errors: 400, 413, 415.
[[nodiscard]] Result<void> check_picture(std::string_view bytes, PictureLimits const& limits);

/// Milliseconds with three digits after the point.
[[nodiscard]] double to_ms(Duration duration);

}  // namespace ei::dispatcher
