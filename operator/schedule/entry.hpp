#pragma once

#include <optional>
#include <string>
#include <vector>

#include "operator/scaling/decision.hpp"
#include "operator/scaling/settings.hpp"
#include "runtime/core/units.hpp"

namespace ei::schedule {

/// One element of `spec.scaling.schedule`: bounds that hold for a while, again and again.
struct Entry {
  std::string name;               ///< what decisions call it; empty: its cron expression
  std::string cron;               ///< when it begins; see parse_cron
  std::string time_zone = "UTC";  ///< of the system's zone database
  milliseconds duration{};        ///< how long it holds from each begin on, in time that passes
  std::optional<int> min_replicas;
  std::optional<int> max_replicas;

  bool operator==(Entry const&) const = default;
};

/// Settings at one instant, and which entries gave the bounds; empty where the settings themselves did.
struct InForce {
  scaling::Settings settings;
  std::string minimum_by;
  std::string maximum_by;
};

/// The bounds of `settings` under the entries that hold at `now`. Of several the largest minimum and the
/// largest maximum hold. An entry never takes workers below the settings' own minimum; a maximum may be below
/// the settings' own, and gives way to the minimum. Precondition: the entries are valid (entry_fault).
[[nodiscard]] InForce in_force(scaling::Settings settings, std::vector<Entry> const& entries, WallTime now);

/// Says in a decision that a schedule gave the bound which it met.
void name_bounds(scaling::Decision& decision, InForce const& in_force);

}  // namespace ei::schedule
