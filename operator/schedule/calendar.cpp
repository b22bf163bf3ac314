#include "operator/schedule/calendar.hpp"

#include <date/tz.h>

#include <algorithm>

namespace ei::schedule {
namespace {

using date::local_seconds;
using date::sys_seconds;

/// The latest instant at or before `now` that `local` names; nothing when it is yet to come.
std::optional<sys_seconds> instant(date::time_zone const& zone, local_seconds local, bool each_hour,
                                   sys_seconds now) {
  auto const info = zone.get_info(local);
  if (info.result == date::local_info::nonexistent) {
    return info.first.end <= now ? std::optional(info.first.end) : std::nullopt;
  }
  if (info.result == date::local_info::ambiguous && each_hour) {
    auto const second = sys_seconds(local.time_since_epoch() - info.second.offset);
    if (second <= now) return second;
  }
  auto const first = sys_seconds(local.time_since_epoch() - info.first.offset);
  return first <= now ? std::optional(first) : std::nullopt;
}

/// No zone sets its clocks back by more.
constexpr std::chrono::hours kLargestChange{3};

/// The latest begin on one local day.
std::optional<sys_seconds> last_on(Cron const& cron, date::time_zone const& zone, date::local_days day,
                                   sys_seconds now) {
  date::year_month_day const names(day);
  date::weekday const weekday(day);
  if (!cron.on_day(unsigned(names.month()), unsigned(names.day()), weekday.c_encoding())) return {};
  // Where the clock is set back, instants do not follow the order of local times: a later local time may be
  // over already, and of the begins that are over an earlier local time may be the latest.
  auto const horizon = zone.to_local(now) + kLargestChange;
  std::optional<sys_seconds> latest;
  for (int hour = 23; hour >= 0; --hour) {
    if (!cron.hours.test(static_cast<std::size_t>(hour))) continue;
    for (int minute = 59; minute >= 0; --minute) {
      if (!cron.minutes.test(static_cast<std::size_t>(minute))) continue;
      local_seconds const local = day + std::chrono::hours(hour) + std::chrono::minutes(minute);
      if (local > horizon) continue;
      auto const begin = instant(zone, local, cron.any_hour, now);
      if (begin) latest = latest ? std::max(*latest, *begin) : *begin;
      if (latest && local < zone.to_local(*latest) - kLargestChange) return latest;
    }
  }
  return latest;
}

}  // namespace

date::time_zone const* find_zone(std::string_view name) {
  try {
    return date::locate_zone(name);
  } catch (std::exception const&) {  // also where the system has no database
    return nullptr;
  }
}

std::optional<WallTime> last_begin(Cron const& cron, date::time_zone const& zone, WallTime now,
                                   milliseconds within) {
  auto const instant_now = date::floor<std::chrono::seconds>(now);
  auto const earliest = now - within;
  // A day more at both ends: local midnight may be a day from UTC's, and a zone may skip a day.
  auto const first_day = date::floor<date::days>(zone.to_local(date::floor<std::chrono::seconds>(earliest)));
  auto day = date::floor<date::days>(zone.to_local(instant_now)) + date::days(1);
  for (; day >= first_day - date::days(1); day -= date::days(1)) {
    if (auto const begin = last_on(cron, zone, day, instant_now)) {
      if (WallTime(*begin) <= earliest) return std::nullopt;
      return WallTime(*begin);
    }
  }
  return std::nullopt;
}

}  // namespace ei::schedule
