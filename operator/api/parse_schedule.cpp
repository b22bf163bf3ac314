#include "operator/api/parse_schedule.hpp"

#include <boost/json/serialize.hpp>

#include "operator/api/limits.hpp"
#include "operator/schedule/calendar.hpp"
#include "operator/schedule/cron.hpp"

namespace ei::api {
namespace {

namespace json = boost::json;

void read_bound(ObjectReader& reader, std::string_view name, std::optional<int>& target) {
  if (reader.has(name)) reader.read(name, target.emplace(kReplicas.least), kReplicas);
}

schedule::Entry read_entry(ObjectReader reader) {
  schedule::Entry entry;
  reader.read("name", entry.name, kMaxScheduleNameLength);
  reader.read("cron", entry.cron, kMaxCronLength);
  if (!reader.has("cron")) {
    reader.fail("cron", "Required value: when it begins, such as 30 7 * * MON-FRI");
  } else if (auto const cron = schedule::parse_cron(entry.cron); !cron) {
    reader.fail("cron",
                "Invalid value: " + json::serialize(json::value(entry.cron)) + ": " + cron.error().message);
  }
  reader.read("timeZone", entry.time_zone, kMaxZoneLength);
  if (schedule::find_zone(entry.time_zone) == nullptr) {
    reader.fail("timeZone", invalid_value(json::value(entry.time_zone),
                                          "a zone of the IANA database, such as UTC or Europe/Berlin"));
  }
  if (!reader.has("duration")) {
    reader.fail("duration", "Required value: how long it holds, such as 10h");
  }
  reader.read("duration", entry.duration, kScheduleDuration);
  read_bound(reader, "minReplicas", entry.min_replicas);
  read_bound(reader, "maxReplicas", entry.max_replicas);
  if (!entry.min_replicas && !entry.max_replicas) {
    reader.fail("minReplicas", "Required value: minReplicas, maxReplicas or both");
  } else if (entry.min_replicas && entry.max_replicas && *entry.min_replicas > *entry.max_replicas) {
    reader.fail("minReplicas",
                invalid_value(json::value(*entry.min_replicas),
                              "at most maxReplicas (" + std::to_string(*entry.max_replicas) + ")"));
  }
  reader.finish();
  return entry;
}

}  // namespace

void read_schedule(ObjectReader& scaling, std::vector<schedule::Entry>& entries) {
  constexpr std::string_view kName = "schedule";
  auto const* const value = scaling.take(kName);
  if (value == nullptr) return;
  if (!value->is_array()) return scaling.fail(kName, invalid_value(*value, "a list"));
  auto const& items = value->get_array();
  if (items.size() > kMaxScheduleEntries) {
    return scaling.fail(kName, "Too many: " + std::to_string(items.size()) + ": must have at most " +
                                   std::to_string(kMaxScheduleEntries) + " items");
  }
  for (std::size_t at = 0; at < items.size(); ++at) {
    entries.push_back(read_entry(scaling.item(kName, at, items[at])));
  }
}

}  // namespace ei::api
