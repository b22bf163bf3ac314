#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/units.hpp"

namespace ei::api {

// The types a service reports. At generation N the first three are about pods of generation N's templates.
inline constexpr std::string_view kReady = "Ready";  ///< requests are answered as specified
inline constexpr std::string_view kDispatcherReady = "DispatcherReady";  ///< every wanted dispatcher is ready
inline constexpr std::string_view kWorkersReady = "WorkersReady";        ///< every wanted worker is ready
// The two that kstatus reads beside Ready (cli-utils, pkg/kstatus): true while something is amiss.
inline constexpr std::string_view kReconciling = "Reconciling";  ///< on the way to what the spec says
inline constexpr std::string_view kStalled = "Stalled";          ///< and cannot get there without help
inline constexpr std::string_view kMetricsAvailable =
    "MetricsAvailable";  ///< decisions rest on fresh numbers
/// Whether spec.scaling.webhook answers; only under the policy Webhook.
inline constexpr std::string_view kStandbyReady = "StandbyReady";
inline constexpr std::string_view kWebhookAvailable = "WebhookAvailable";
inline constexpr std::string_view kScalingLimited =
    "ScalingLimited";                                  ///< more workers are needed than may run
inline constexpr std::string_view kPaused = "Paused";  ///< spec.scaling.paused

enum class ConditionStatus { False, True, Unknown };
/// `False`, `True`, `Unknown`.
[[nodiscard]] std::string_view to_string(ConditionStatus status);

/// A Kubernetes condition (metav1.Condition).
struct Condition {
  std::string type;
  ConditionStatus status = ConditionStatus::Unknown;
  std::string reason;  ///< CamelCase, one word
  std::string message;
  WallTime last_transition{};  ///< when `status` last changed, whole seconds
  std::int64_t observed_generation = 0;

  bool operator==(Condition const&) const = default;
};

/// Puts `next` in place of the condition of its type, or at the end. `last_transition` is kept while `status`
/// stays the same and becomes `now` (cut to whole seconds, as metav1.Time is) when it changes; the one in
/// `next` is ignored.
void set_condition(std::vector<Condition>& conditions, Condition next, WallTime now);

/// The condition of a type, or null. The pointer lives until the vector changes.
[[nodiscard]] Condition const* find_condition(std::vector<Condition> const& conditions,
                                              std::string_view type);

}  // namespace ei::api
