// How a request is named in answers, logs and traces. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ei {

/// Long enough for two UUIDs and a prefix, short enough for a log line.
inline constexpr std::size_t kMaxRequestId = 128;
/// What W3C Trace Context, section 3.3.1.5, asks of everybody to pass on.
inline constexpr std::size_t kMaxTracestate = 512;
/// Of members of a tracestate: section 3.3.1.1.
inline constexpr std::size_t kMaxTracestateMembers = 32;

/// Each may be empty.
struct RequestTag {
  std::string id;           ///< see is_request_id()
  std::string traceparent;  ///< as read_traceparent() gives it
  std::string tracestate;   ///< empty without a traceparent
  /// Spans are made of it: then `traceparent` names the server's span.
  bool traced = false;
  std::string client_span = {};  ///< the parent of that; empty where the trace begins here
  bool operator==(RequestTag const&) const = default;
};

/// 1 to kMaxRequestId letters, digits and `-._~:+/=@` of ASCII: none of them is special in JSON, in a header
/// or in a shell.
[[nodiscard]] bool is_request_id(std::string_view text);

/// A `traceparent` header (W3C Trace Context, level 1) as it is passed on: version 00, and of the flags only
/// `sampled`. A later version is read as section 3.2.2 says, by its first four fields. None when it is
/// invalid, which must not matter to the request.
[[nodiscard]] std::optional<std::string> read_traceparent(std::string_view header);

/// Several `tracestate` headers as one, their members in order. Empty when one of them is invalid, or a key
/// comes twice. Members that do not fit kMaxTracestate are left out: first those of more than 128 characters,
/// then the last ones, as section 3.3.1.5 says.
[[nodiscard]] std::string read_tracestate(std::vector<std::string_view> const& headers);

}  // namespace ei
