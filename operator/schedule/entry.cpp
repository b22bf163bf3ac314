#include "operator/schedule/entry.hpp"

#include <algorithm>

#include "operator/schedule/calendar.hpp"
#include "operator/schedule/cron.hpp"

namespace ei::schedule {
namespace {

bool holds(Entry const& entry, WallTime now) {
  auto const cron = parse_cron(entry.cron);
  auto const* const zone = find_zone(entry.time_zone);
  return cron && zone != nullptr && last_begin(*cron, *zone, now, entry.duration).has_value();
}

}  // namespace

InForce in_force(scaling::Settings settings, std::vector<Entry> const& entries, WallTime now) {
  InForce result{std::move(settings), {}, {}};
  std::optional<int> maximum;
  for (auto const& entry : entries) {
    if (!holds(entry, now)) continue;
    auto const& name = entry.name.empty() ? entry.cron : entry.name;
    if (entry.min_replicas > result.settings.min_replicas) {
      result.settings.min_replicas = *entry.min_replicas;
      result.minimum_by = name;
    }
    if (entry.max_replicas > maximum) {
      maximum = entry.max_replicas;
      result.maximum_by = name;
    }
  }
  auto& in_force = result.settings;
  if (maximum) in_force.max_replicas = *maximum;
  if (in_force.max_replicas < in_force.min_replicas) {
    in_force.max_replicas = in_force.min_replicas;
    result.maximum_by = result.minimum_by;
  }
  return result;
}

void name_bounds(scaling::Decision& decision, InForce const& in_force) {
  auto const& settings = in_force.settings;
  if (decision.limit == scaling::Limit::Minimum && !in_force.minimum_by.empty()) {
    decision.why_not_less =
        "schedule '" + in_force.minimum_by + "' asks for " + std::to_string(settings.min_replicas);
    decision.formula += "; " + decision.why_not_less;
  } else if (decision.limit == scaling::Limit::Maximum && !in_force.maximum_by.empty()) {
    decision.why_not_more =
        "schedule '" + in_force.maximum_by + "' allows " + std::to_string(settings.max_replicas);
    decision.formula += "; " + decision.why_not_more;
  }
}

}  // namespace ei::schedule
