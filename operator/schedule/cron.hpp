#pragma once

#include <bitset>
#include <string_view>

#include "runtime/core/result.hpp"

namespace ei::schedule {

/// A cron expression: the minutes of a calendar at which something begins.
struct Cron {
  std::bitset<60> minutes;
  std::bitset<24> hours;
  std::bitset<32> days;     ///< of the month, 1 to 31
  std::bitset<13> months;   ///< 1 to 12
  std::bitset<7> weekdays;  ///< 0 is Sunday
  /// The field begins with `*`. If both do not, a day counts that one of them names, as in every cron.
  bool any_day = true;
  bool any_weekday = true;
  /// The hour field begins with `*`: it means the passing of time and not an hour of the clock.
  bool any_hour = true;

  /// `day` is of the month (1 to 31), `month` 1 to 12, `weekday` 0 (Sunday) to 6.
  [[nodiscard]] bool on_day(unsigned month, unsigned day, unsigned weekday) const;

  bool operator==(Cron const&) const = default;
};

/// Parses five fields (minute, hour, day of month, month, day of week) of `*`, numbers, ranges `a-b`, steps
/// `/n` and lists, with JAN to DEC and SUN to SAT in any case, 7 for Sunday; or `@hourly`, `@daily`,
/// `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`. Errors: Invalid, which names the field and
/// what is allowed, also for a day that no month has (30 February).
[[nodiscard]] Result<Cron> parse_cron(std::string_view text);

}  // namespace ei::schedule
