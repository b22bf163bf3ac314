#pragma once

#include "operator/scaling/decide.hpp"
#include "runtime/core/result.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

namespace ei::scaling {

boost::json::object to_json(Settings const& settings);
boost::json::object to_json(Snapshot const& snapshot);

/// One line of the decision log: `{"now_ns", "settings", "snapshot", "decision"}`. A log that holds every
/// call since the operator started can be replayed exactly, and under other settings. Instants are
/// nanoseconds of the caller's clock.
boost::json::object log_record(Settings const& settings, Snapshot const& snapshot, Decision const& decision,
                               Time now);

struct LogRecord {
  Settings settings;
  Snapshot snapshot;
  int from = 0;
  int to = 0;
  Time now{};
};

/// The `inputs` of a log record's decision; what is missing or of another kind keeps its default.
Inputs inputs_from_json(boost::json::value const& value);

/// Reads what `log_record` wrote (other keys are ignored). Errors: Invalid,
/// naming each key that is missing or wrong.
Result<LogRecord> log_record_from_json(boost::json::value const& value);

}  // namespace ei::scaling
