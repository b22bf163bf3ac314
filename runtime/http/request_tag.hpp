#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/core/request_tag.hpp"
#include "runtime/http/message.hpp"

namespace ei::http {

inline constexpr std::string_view kRequestId = "X-Request-Id";
inline constexpr std::string_view kTraceparent = "traceparent";
inline constexpr std::string_view kTracestate = "tracestate";

/// So many hexadecimal digits, not all of them zero: a trace context takes such an id for none.
[[nodiscard]] std::string random_hex(std::size_t digits);

/// 32 random hexadecimal digits.
[[nodiscard]] std::string new_request_id();

/// What a request's headers say of its name. An id that is missing, unsafe or there twice is replaced by a
/// new one; a trace context that is invalid, or there twice, is left out.
[[nodiscard]] RequestTag read_tag(Headers const& headers);

}  // namespace ei::http
