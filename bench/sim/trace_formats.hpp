#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bench/sim/trace.hpp"

namespace ei::bench {

/// What the lines of a trace are.
enum class TraceFormat {
  Auto,         ///< told by the first lines
  Counts,       ///< requests in each second: integers, separated by commas or white space
  Timestamps,   ///< one instant a line: RFC 3339, or seconds, milliseconds, microseconds or nanoseconds
  Invocations,  ///< Azure Functions' and invitro's invocations.csv: a function a line, a minute a column
};

/// The longest trace, which is also what a simulation holds in memory.
inline constexpr double kMostTraceSeconds = 31 * 86'400.0;
inline constexpr int kMostPerSecond = 1'000'000;

/// Reads a trace of any of the formats. `seed` spreads the requests of a minute over its seconds. Errors:
/// Invalid, with the line, the value and what is allowed.
Result<Trace> read_trace(std::string_view text, TraceFormat format, std::uint64_t seed);

/// Which format the text has, by its first line that is no comment.
TraceFormat guess_format(std::string_view text);

/// Reads `START+LENGTH`, both durations such as 1h30m or 90s, or seconds without a unit. Errors: Invalid.
struct Window {
  std::size_t from = 0;
  std::size_t length = 0;
};
Result<Window> read_window(std::string_view text);

/// The seconds of a window. Errors: Invalid where the trace ends before it does.
Result<Trace> cut(Trace const& trace, Window const& window);

/// The trace with `peak_rps` requests in its busiest second. Errors: Invalid for one without a request.
Result<Trace> scale_to(Trace const& trace, double peak_rps);

}  // namespace ei::bench
