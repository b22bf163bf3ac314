#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "operator/schedule/cron.hpp"
#include "runtime/core/units.hpp"

namespace date {
class time_zone;
}

namespace ei::schedule {

/// The zone of that name in the system's database (`Europe/Berlin`, `UTC`); null when there is none. The
/// database is read at the first call. Thread-safe.
[[nodiscard]] date::time_zone const* find_zone(std::string_view name);

/// When `cron` last began in that zone's local time, in (now - within, now]; nothing when it did not.
///
/// A local time that a change of the clock skips begins when the clock is set forward, so that no beginning
/// is lost. A local time that comes twice begins the first time; where the hour is `*`, both times.
[[nodiscard]] std::optional<WallTime> last_begin(Cron const& cron, date::time_zone const& zone, WallTime now,
                                                 milliseconds within);

}  // namespace ei::schedule
