#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "operator/api/status.hpp"
#include "operator/plan/observation.hpp"
#include "operator/scaling/decide.hpp"
#include "operator/schedule/entry.hpp"
#include "runtime/core/result.hpp"

namespace ei::plan {

/// A child that could not be written: its new state is not in force, the last accepted one is.
struct Failure {
  Error error;
  bool told = false;           ///< the owner is to know: it was refused, or does not pass by itself
  bool lasting = false;        ///< somebody has to do something about it
  bool count_refused = false;  ///< not even the count could be written

  bool operator==(Failure const&) const = default;
};

/// What a reconcile has learnt and decided about one service, beside what it observed.
struct Verdict {
  std::string decision_id;
  std::optional<scaling::Decision> decision;  ///< empty when no spec is in force
  std::string maximum_by;                     ///< the schedule that gives the maximum; empty: the spec
  std::string metrics_fault;                  ///< why there is no fresh sample; empty when there is one
  /// Why the webhook gave no usable answer, "" when it did; empty without one, and before its first answer.
  std::optional<std::string> webhook_fault;
  std::optional<milliseconds> p50;  ///< of the answers of the last window
  std::optional<milliseconds> p99;  ///< likewise
  std::string output;               ///< see api::ModelStatus; empty where no worker tells it
  std::string precision;            ///< the same
  std::string version;              ///< the same
  std::string mixed_versions;       ///< in words, while workers answer with different weights
  std::optional<double> agreement;  ///< see api::ModelStatus
  std::vector<api::Advice> advice;  ///< one where the spec has advisors, else none
  /// A change of the count that was made but not yet written into the status (that write failed).
  std::optional<api::DecisionRecord> unrecorded;
  std::optional<Failure> failure;
  std::uint64_t quarantined = 0;  ///< pictures that took two workers each, and are to be told now
  milliseconds since_status_write = milliseconds::max();  ///< age of the last write by this process

  bool operator==(Verdict const&) const = default;
};

/// The settings to decide under: the spec's, with the bounds of its schedule, and of these no more than the
/// backend can run.
[[nodiscard]] schedule::InForce settings_in_force(api::Spec const& spec,
                                                  std::optional<Shortage> const& shortage, WallTime now);

/// The workers as the policy sees them: those that are wanted, with their ages. `current` is the count in
/// force, or where nothing was created yet the one the status remembers, at least the minimum.
[[nodiscard]] scaling::Workers workers_of(Observation const& seen, scaling::Settings const& settings,
                                          WallTime now);

/// How many workers may run of those the decision asks for.
[[nodiscard]] int granted(scaling::Decision const& decision, std::optional<Shortage> const& shortage);

/// What it rests on, in words.
[[nodiscard]] api::Explanation explanation_of(scaling::Decision const& decision);

/// What status, event and log say of a decision.
[[nodiscard]] api::DecisionRecord record_of(std::string id, scaling::Decision const& decision, int to,
                                            WallTime now);

}  // namespace ei::plan
