#include "operator/schedule/calendar.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "runtime/core/units.hpp"

using namespace std::chrono_literals;
using ei::schedule::find_zone;

namespace {

ei::WallTime at(std::string const& text) {
  return *ei::parse_rfc3339(text);
}

/// The last begin as text, or "none".
std::string begin(std::string const& cron, std::string const& zone, std::string const& now,
                  ei::milliseconds within = 24h) {
  auto const found =
      ei::schedule::last_begin(*ei::schedule::parse_cron(cron), *find_zone(zone), at(now), within);
  return found ? ei::format_rfc3339_seconds(*found) : "none";
}

}  // namespace

TEST_CASE("A schedule begins in its zone's local time") {
  CHECK(begin("30 7 * * *", "UTC", "2026-11-27T07:30:00Z") == "2026-11-27T07:30:00Z");
  CHECK(begin("30 7 * * *", "UTC", "2026-11-27T07:29:59Z", 1h) == "none");
  CHECK(begin("30 7 * * *", "Europe/Berlin", "2026-11-27T12:00:00Z") == "2026-11-27T06:30:00Z");
  CHECK(begin("30 7 * * *", "Europe/Berlin", "2026-07-01T12:00:00Z") == "2026-07-01T05:30:00Z");
  // Local midnight is in the UTC day before, and after.
  CHECK(begin("0 0 * * *", "Asia/Kolkata", "2026-11-27T18:30:00Z") == "2026-11-27T18:30:00Z");
  CHECK(begin("0 0 * * *", "Pacific/Auckland", "2026-11-27T11:00:00Z") == "2026-11-27T11:00:00Z");
  CHECK(begin("0 0 * * *", "America/Los_Angeles", "2026-11-27T08:00:00Z") == "2026-11-27T08:00:00Z");
}

TEST_CASE("A begin counts for as long as it is asked for, to the second") {
  CHECK(begin("0 7 * * *", "UTC", "2026-11-27T16:59:59Z", 10h) == "2026-11-27T07:00:00Z");
  CHECK(begin("0 7 * * *", "UTC", "2026-11-27T17:00:00Z", 10h) == "none");
  CHECK(begin("0 7 * * MON", "UTC", "2026-11-29T23:59:59Z", 168h) == "2026-11-23T07:00:00Z");
  CHECK(begin("59 23 31 12 *", "UTC", "2027-01-01T00:30:00Z", 1h) == "2026-12-31T23:59:00Z");
}

TEST_CASE("Every minute's begin is the minute itself") {
  CHECK(begin("* * * * *", "UTC", "2026-11-27T00:00:59Z", 1min) == "2026-11-27T00:00:00Z");
  CHECK(begin("*/20 * * * *", "Europe/Berlin", "2026-11-27T07:39:59Z", 1h) == "2026-11-27T07:20:00Z");
}

TEST_CASE("A local time that the clock skips begins when it is set forward") {
  // Berlin, 29 March 2026: 02:00 becomes 03:00 at 01:00 UTC.
  CHECK(begin("30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", 1h) == "2026-03-29T01:00:00Z");
  CHECK(begin("30 2 * * *", "Europe/Berlin", "2026-03-29T00:59:59Z", 1h) == "none");
  CHECK(begin("30 2 * * *", "Europe/Berlin", "2026-03-30T00:30:00Z", 1h) == "2026-03-30T00:30:00Z");
  // Lord Howe Island moves by half an hour; Samoa skipped 30 December 2011 as a whole.
  CHECK(begin("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T15:30:00Z", 1h) == "2026-10-03T15:30:00Z");
  CHECK(begin("0 12 30 12 *", "Pacific/Apia", "2011-12-30T10:00:00Z", 1h) == "2011-12-30T10:00:00Z");
}

TEST_CASE("A local time that comes twice begins once, the first time") {
  // Berlin, 25 October 2026: 03:00 summer time becomes 02:00 at 01:00 UTC.
  CHECK(begin("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", 1h) == "2026-10-25T00:30:00Z");
  CHECK(begin("30 2 * * *", "Europe/Berlin", "2026-10-25T01:30:00Z", 1h) == "none");
  CHECK(begin("0 3 * * *", "Europe/Berlin", "2026-10-25T02:00:00Z", 1h) == "2026-10-25T02:00:00Z");
}

TEST_CASE("Where the hour is a star, each hour that passes has its begin") {
  CHECK(begin("30 * * * *", "Europe/Berlin", "2026-10-25T00:40:00Z", 1h) == "2026-10-25T00:30:00Z");
  CHECK(begin("30 * * * *", "Europe/Berlin", "2026-10-25T01:29:00Z", 1h) == "2026-10-25T00:30:00Z");
  CHECK(begin("30 * * * *", "Europe/Berlin", "2026-10-25T01:40:00Z", 1h) == "2026-10-25T01:30:00Z");
  CHECK(begin("30 * * * *", "Europe/Berlin", "2026-10-25T02:40:00Z", 1h) == "2026-10-25T02:30:00Z");
}

TEST_CASE("Leap days are days") {
  CHECK(begin("0 0 29 2 *", "UTC", "2028-02-29T12:00:00Z") == "2028-02-29T00:00:00Z");
  CHECK(begin("0 0 29 2 *", "UTC", "2027-03-01T12:00:00Z", 168h) == "none");
  CHECK(begin("0 0 28 2 *", "UTC", "2028-02-29T12:00:00Z", 48h) == "2028-02-28T00:00:00Z");
}

TEST_CASE("Only the database's zones are zones") {
  CHECK(find_zone("Europe/Berlin") != nullptr);
  CHECK(find_zone("Etc/GMT+5") != nullptr);
  auto const none = GENERATE(as<std::string>{}, "", "Europe/Berlim", "europe/berlin", "../../etc/passwd",
                             "/etc/localtime", "CEST+1", "Europe/Berlin ");
  CHECK(find_zone(none) == nullptr);
}
