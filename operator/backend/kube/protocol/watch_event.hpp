#pragma once

#include "operator/backend/kube/protocol/watcher.hpp"
#include "runtime/core/result.hpp"

#include <boost/json/value.hpp>

#include <optional>
#include <string_view>
#include <variant>

namespace ei::kube {

/// One line of a watch stream: what the state machine needs to know, and the object.
struct WatchLine {
  std::variant<watch::EventArrived, watch::Failed> input;
  boost::json::value object;  ///< null for an ERROR
};

/// Reads `{"type": "ADDED"|"MODIFIED"|"DELETED"|"BOOKMARK"|"ERROR", "object": {…}}`.
/// Errors: Protocol for anything else; Unknown types too, since skipping one could lose a change.
Result<WatchLine> parse_watch_line(std::string_view line);

/// The Error that a metav1.Status body means: its code and reason decide the kind,
/// `details.retryAfterSeconds` the wait. None when `body` is no Status of a failure.
std::optional<Error> error_from_status(boost::json::value const& body);

}  // namespace ei::kube
