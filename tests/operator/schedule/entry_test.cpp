#include "operator/schedule/entry.hpp"

#include <catch2/catch.hpp>

#include "runtime/core/units.hpp"

namespace scaling = ei::scaling;
using namespace std::chrono_literals;
using ei::schedule::Entry;

namespace {

scaling::Settings settings(int minimum, int maximum) {
  scaling::Settings settings;
  settings.min_replicas = minimum;
  settings.max_replicas = maximum;
  return settings;
}

/// Friday 27 November 2026, 08:00 UTC.
ei::WallTime const kFriday = *ei::parse_rfc3339("2026-11-27T08:00:00Z");

Entry mornings(std::optional<int> minimum, std::optional<int> maximum = {}) {
  return {"weekday mornings", "30 7 * * MON-FRI", "UTC", 4h, minimum, maximum};
}

std::pair<int, int> bounds(scaling::Settings const& own, std::vector<Entry> const& entries,
                           ei::WallTime now = kFriday) {
  auto const found = ei::schedule::in_force(own, entries, now).settings;
  return {found.min_replicas, found.max_replicas};
}

}  // namespace

TEST_CASE("An entry's bounds hold from its begin until its duration is over") {
  std::vector<Entry> const entries{mornings(4, 10)};
  CHECK(bounds(settings(1, 6), entries) == std::pair(4, 10));
  CHECK(bounds(settings(1, 6), entries, kFriday - 31min) == std::pair(1, 6));
  CHECK(bounds(settings(1, 6), entries, kFriday - 30min) == std::pair(4, 10));
  CHECK(bounds(settings(1, 6), entries, kFriday + 3h + 29min + 59s) == std::pair(4, 10));
  CHECK(bounds(settings(1, 6), entries, kFriday + 3h + 30min) == std::pair(1, 6));
  CHECK(bounds(settings(1, 6), entries, kFriday + 24h) == std::pair(1, 6));
  CHECK(bounds(settings(1, 6), {}) == std::pair(1, 6));
}

TEST_CASE("Of entries that overlap the largest minimum and the largest maximum hold") {
  Entry const sale{"sale", "0 0 27 11 *", "UTC", 24h, 3, 20};
  CHECK(bounds(settings(1, 6), {mornings(4, 10), sale}) == std::pair(4, 20));
  CHECK(bounds(settings(1, 6), {sale, mornings(4, 10)}) == std::pair(4, 20));
  auto const found = ei::schedule::in_force(settings(1, 6), {mornings(4, 10), sale}, kFriday);
  CHECK(found.minimum_by == "weekday mornings");
  CHECK(found.maximum_by == "sale");
}

TEST_CASE("An entry lowers the maximum but not the minimum") {
  CHECK(bounds(settings(2, 6), {mornings(1)}) == std::pair(2, 6));
  CHECK(bounds(settings(2, 6), {mornings({}, 3)}) == std::pair(2, 3));
  CHECK(bounds(settings(2, 6), {mornings({}, 1)}) == std::pair(2, 2));
}

TEST_CASE("A minimum above the maximum raises it") {
  CHECK(bounds(settings(1, 6), {mornings(8)}) == std::pair(8, 8));
  CHECK(ei::schedule::in_force(settings(1, 6), {mornings(8)}, kFriday).maximum_by == "weekday mornings");
}

TEST_CASE("An entry without a name is called by its cron expression") {
  Entry entry = mornings(4);
  entry.name.clear();
  CHECK(ei::schedule::in_force(settings(1, 6), {entry}, kFriday).minimum_by == "30 7 * * MON-FRI");
}

TEST_CASE("A decision that meets a schedule's bound names the schedule") {
  auto const low = ei::schedule::in_force(settings(1, 6), {mornings(4)}, kFriday);
  scaling::Decision decision;
  decision.limit = scaling::Limit::Minimum;
  decision.formula = "no load";
  ei::schedule::name_bounds(decision, low);
  CHECK(decision.why_not_less == "schedule 'weekday mornings' asks for 4");
  CHECK(decision.formula == "no load; schedule 'weekday mornings' asks for 4");

  auto const high = ei::schedule::in_force(settings(1, 6), {mornings({}, 2)}, kFriday);
  decision = {};
  decision.limit = scaling::Limit::Maximum;
  ei::schedule::name_bounds(decision, high);
  CHECK(decision.why_not_more == "schedule 'weekday mornings' allows 2");
}

TEST_CASE("A decision within a schedule's bounds, or at the service's own, does not name one") {
  auto const low = ei::schedule::in_force(settings(1, 6), {mornings(4)}, kFriday);
  scaling::Decision decision;
  decision.formula = "load";
  ei::schedule::name_bounds(decision, low);
  CHECK(decision.formula == "load");
  decision.limit = scaling::Limit::Maximum;
  ei::schedule::name_bounds(decision, low);
  CHECK(decision.formula == "load");
}
