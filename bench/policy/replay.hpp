#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/policy/contest.hpp"
#include "operator/scaling/json.hpp"

namespace ei::bench {

/// What operators wrote of one service, on one clock: each restart goes on where the one before ended, with
/// the time between them that the log's `ts` tells, or one interval.
struct DecisionLog {
  std::vector<scaling::LogRecord> records;
  std::vector<std::size_t> starts;  ///< records with which another operator begins; the first is one

  std::size_t size() const { return records.size(); }
};

/// The records of one service among the lines of an operator's decision log or of its whole output, such as
/// `kubectl logs` prints it: lines that are no records are left out, also what stands before a line's `{`.
/// Logs of several operators may follow each other in any order where they say `ts`. `service` is
/// `namespace/name`, or empty for the first service that is found. A last line that was cut off is left out.
/// Errors: Invalid (`line N: …`), also for settings that no manifest may have;
/// NotFound when there is no record of the service.
Result<DecisionLog> read_decision_log(std::string_view text, std::string const& service);

/// How many of the recorded decisions the same inputs give again. Fewer than all: the log does not begin
/// where an operator did, or another version wrote it.
struct Repetition {
  std::size_t decisions = 0;
  std::size_t same = 0;
};
Repetition repeat(DecisionLog const& log);

/// What was recorded as a match: arrivals of each second from the counters, measured service and start times.
/// Errors: Invalid when the log is too short to tell (no two samples, or no completion), or when no service
/// can be meant (a month and more, or a million requests in a second).
Result<Match> match_of_log(std::vector<scaling::LogRecord> const& log);

}  // namespace ei::bench
