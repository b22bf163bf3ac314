#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "operator/api/status.hpp"

namespace ei::plan {

// What a backend is told. Each action names a state, not a step: applying it again changes nothing.

/// The dispatchers and all they need (a Service, the link token, …) exist as the observed spec says.
struct EnsureDispatcher {
  int replicas = 1;
  bool operator==(EnsureDispatcher const&) const = default;
};

/// The workers exist as the observed spec says, so many of them. Fewer than before: the surplus finishes its
/// work first. On first creation the first ones start at once.
struct EnsureWorkers {
  int replicas = 1;
  int standby = 0;  ///< beside them; more than these are promoted first, and fewer become standbys
  bool operator==(EnsureWorkers const&) const = default;
};

/// There are so many workers of whatever template was accepted last; of their other fields nothing changes,
/// and where nothing was made yet nothing is made.
struct ScaleWorkers {
  int replicas = 1;
  int standby = 0;
  bool operator==(ScaleWorkers const&) const = default;
};

/// This worker is ended and another takes its place; the count stays.
struct ReplaceWorker {
  std::string name;
  std::string why;
  bool operator==(ReplaceWorker const&) const = default;
};

enum class EventType { Normal, Warning };

/// A line for `kubectl describe` and the log.
struct RecordEvent {
  EventType type = EventType::Normal;
  std::string reason;                                ///< CamelCase: `ScaledUp`
  std::string message;                               ///< for people; for a decision its formula in numbers
  std::string decision_id;                           ///< empty when no decision caused it
  std::optional<api::Explanation> explanation = {};  ///< of a decision that changed the count
  bool operator==(RecordEvent const&) const = default;
};

/// The service's status becomes this.
struct WriteStatus {
  api::Status status;
  std::optional<api::Explanation> explanation = {};  ///< of status.last_decision
  bool operator==(WriteStatus const&) const = default;
};

/// Nothing of the service runs any more. Kubernetes' garbage collector does it
/// there through owner references.
struct RemoveChildren {
  bool operator==(RemoveChildren const&) const = default;
};

using Action = std::variant<EnsureDispatcher, EnsureWorkers, ScaleWorkers, ReplaceWorker, RecordEvent,
                            WriteStatus, RemoveChildren>;
/// In the order to apply them.
using Actions = std::vector<Action>;

/// `{"action": "EnsureWorkers", "replicas": 3}`: for logs and `--once`.
[[nodiscard]] boost::json::object to_json(Action const& action);

}  // namespace ei::plan
