#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "operator/api/condition.hpp"
#include "operator/scaling/settings.hpp"
#include "runtime/core/units.hpp"

namespace ei::api {

/// The queue as last scraped, summed over the dispatchers.
struct QueueStatus {
  std::int64_t depth = 0;           ///< waiting requests
  std::int64_t in_flight = 0;       ///< requests at workers
  double arrival_rate = 0;          ///< requests per second over 10 s, rounded to 0.1
  milliseconds oldest_age{0};       ///< age of the longest waiting request, rounded to 10 ms
  std::optional<milliseconds> p99;  ///< of answers over the last window; empty when nothing was answered

  bool operator==(QueueStatus const&) const = default;
};

/// The model as its workers last told it.
struct ModelStatus {
  /// Of the weights that ready workers answer with, as `model_version` in answers: the first 12 digits of
  /// their SHA-256. While workers differ, what most have; empty until one has told it.
  std::string version;
  /// What its last layer gives: `scores`, of which a worker makes probabilities by a softmax,
  /// `probabilities` or `log_probabilities`; empty until a worker has told it.
  std::string output;
  std::string precision;  ///< what it computes in: `fp32`, `bf16` or `int8`; empty until a worker has told it
  /// Part of the calibration pictures for which int8 gives the class of fp32, the least that a worker told;
  /// none where none has tried int8.
  std::optional<double> agreement;

  bool operator==(ModelStatus const&) const = default;
};

/// One scaling decision as shown to people.
struct DecisionRecord {
  std::string id;  ///< the same in the event, the log line and the decision log
  WallTime time{};
  int from = 0;
  int to = 0;
  std::string reason;   ///< scaling::name(Reason)
  std::string formula;  ///< the rule that won, in numbers

  bool operator==(DecisionRecord const&) const = default;
};

/// All that a decision rests on, in sentences, each of at most kExplanationBytes. It is written and not kept:
/// for a thousand services it would be megabytes of the operator's memory.
struct Explanation {
  std::string measured;
  std::string terms;  ///< what each term of the rule asked for, and which won
  std::string bound;  ///< what kept the answer from being that
  std::string why_not_more;
  std::string why_not_less;

  bool operator==(Explanation const&) const = default;
};
/// A sentence has some 200; all five fit into an Event's annotation and into a status many times over.
inline constexpr std::size_t kExplanationBytes = 512;

/// What one policy has cost since the advice began.
struct PolicyCost {
  int replicas = 0;  ///< now
  std::int64_t core_seconds = 0;
  std::int64_t late = 0;  ///< requests answered after the latency target, or refused

  bool operator==(PolicyCost const&) const = default;
};

/// The acting policy and its advisors over the same time: `status.advice`.
struct Advice {
  WallTime since{};  ///< midnight UTC, or later: the operator or the advisors began then
  std::int64_t measured_seconds = 0;
  std::int64_t unmeasured_seconds = 0;  ///< the sums leave these out, on both sides
  std::int64_t requests = 0;            ///< that arrived in the measured ones
  PolicyCost acting;
  std::vector<std::pair<scaling::Advisor, PolicyCost>> advisors;  ///< as spec.scaling.advisors orders them

  bool operator==(Advice const&) const = default;
};

/// Decisions that changed the count, newest first.
inline constexpr std::size_t kHistoryLength = 10;

struct Status {
  std::int64_t observed_generation = 0;
  int replicas = 0;
  int ready_replicas = 0;
  int desired_replicas = 0;
  int standby_replicas = 0;                 ///< that are warm
  std::optional<int> recommended_replicas;  ///< while paused or advising
  std::string selector;  ///< of the workers' pods, for the scale subresource; empty on the local backend
  ModelStatus model;
  QueueStatus queue;
  std::vector<Advice>
      advice;  ///< one where there are advisors, else none; a vector, as it is small when empty
  std::optional<DecisionRecord> last_decision;
  std::vector<DecisionRecord> history;
  std::vector<Condition> conditions;

  bool operator==(Status const&) const = default;
};

/// The API's form; times in RFC 3339, ages as durations.
[[nodiscard]] boost::json::object to_json(Status const& status);

[[nodiscard]] boost::json::object to_json(Advice const& advice);

/// Its sentences by the names that they have in `status.lastDecision`; empty ones are left out.
[[nodiscard]] boost::json::object to_json(Explanation const& explanation);
[[nodiscard]] Explanation explanation_from_json(boost::json::value const& value);
/// Takes them out of a `status.lastDecision`.
void erase_explanation(boost::json::object& last_decision);

/// Reads a status as an API server returns it. Never fails: what is missing or of another shape keeps its
/// default, because only this operator writes a status and the next write puts it right.
[[nodiscard]] Status status_from_json(boost::json::value const& value);

}  // namespace ei::api
