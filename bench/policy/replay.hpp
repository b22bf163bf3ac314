#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/policy/contest.hpp"
#include "operator/scaling/json.hpp"

namespace ei::bench {

/// The records of one service in an operator's decision log (one JSON object a line). `service` is
/// `namespace/name`, or empty for the first service that is found. A last line that was cut off is left out.
/// Errors: Invalid (`line N: …`), also for settings that no manifest may have and where time runs backwards
/// (another operator's log follows); NotFound when there is no record of the service.
Result<std::vector<scaling::LogRecord>> read_decision_log(std::string_view text, std::string const& service);

/// How many of the recorded decisions the same inputs give again. Fewer than all: the log does not begin
/// where the operator did, or another version wrote it.
struct Repetition {
  std::size_t decisions = 0;
  std::size_t same = 0;
};
Repetition repeat(std::vector<scaling::LogRecord> const& log);

/// What was recorded as a match: arrivals of each second from the counters, measured service and start times.
/// Errors: Invalid when the log is too short to tell (no two samples, or no completion), or when no service
/// can be meant (a month and more, or a million requests in a second).
Result<Match> match_of_log(std::vector<scaling::LogRecord> const& log);

}  // namespace ei::bench
