#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/core/result.hpp"

namespace ei {

using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;
using std::chrono::milliseconds;

/// Parses a Go-style duration: `150s`, `500ms`, `1m30s`, `1.5h`, `0`. Units h, m, s, ms, us, ns; no sign.
/// Rounds to the nearest millisecond. Errors: Invalid (empty, unknown unit, over about 290 years).
[[nodiscard]] Result<milliseconds> parse_duration(std::string_view text);

/// The shortest exact form that parse_duration reads back: `1m30s`, `500ms`, `0s`. Negative gets a `-`.
[[nodiscard]] std::string format_duration(milliseconds duration);

/// Parses a Kubernetes quantity (`1`, `500m`, `0.5`, `1Gi`, `128M`, `1e3`) to thousandths, rounded up.
/// Errors: Invalid (malformed, negative, or over 2^63 thousandths).
[[nodiscard]] Result<std::int64_t> parse_quantity_milli(std::string_view text);

/// Of Unix time, rounded down.
[[nodiscard]] inline std::int64_t unix_seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

/// `2026-11-24T00:41:22.123456Z`: RFC 3339 in UTC with microseconds, as Kubernetes' MicroTime.
[[nodiscard]] std::string format_rfc3339(WallTime time);

/// `2026-11-24T00:41:22Z`: RFC 3339 in UTC with whole seconds (truncated), as Kubernetes' Time.
[[nodiscard]] std::string format_rfc3339_seconds(WallTime time);

/// Parses RFC 3339; fractions are cut to microseconds, times to what the clock holds. Errors: Invalid.
[[nodiscard]] Result<WallTime> parse_rfc3339(std::string_view text);

}  // namespace ei
