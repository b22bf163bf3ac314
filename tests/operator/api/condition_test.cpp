#include "operator/api/condition.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using ei::api::Condition;
using ei::api::ConditionStatus;

namespace {

auto const kNoon = ei::parse_rfc3339("2026-01-01T12:00:00Z").value();

Condition ready(ConditionStatus status, std::string reason, std::int64_t generation = 1) {
  return {"Ready", status, std::move(reason), "", {}, generation};
}

}  // namespace

TEST_CASE("A condition's transition time changes only with its status") {
  std::vector<Condition> conditions;
  set_condition(conditions, ready(ConditionStatus::False, "Starting"), kNoon + 300ms);
  REQUIRE(conditions.size() == 1);
  CHECK(conditions[0].last_transition == kNoon);

  set_condition(conditions, ready(ConditionStatus::False, "StillStarting", 2), kNoon + 5s);
  CHECK(conditions[0].last_transition == kNoon);
  CHECK(conditions[0].reason == "StillStarting");
  CHECK(conditions[0].observed_generation == 2);

  set_condition(conditions, ready(ConditionStatus::True, "Serving", 2), kNoon + 9s);
  CHECK(conditions[0].last_transition == kNoon + 9s);
}

TEST_CASE("Conditions keep their places and there is one of each type") {
  std::vector<Condition> conditions;
  set_condition(conditions, ready(ConditionStatus::True, "Serving"), kNoon);
  set_condition(conditions, {"Paused", ConditionStatus::False, "NotPaused", "", {}, 1}, kNoon);
  set_condition(conditions, ready(ConditionStatus::False, "Broken"), kNoon);
  REQUIRE(conditions.size() == 2);
  CHECK(conditions[0].reason == "Broken");
  CHECK(find_condition(conditions, "Paused")->reason == "NotPaused");
  CHECK(find_condition(conditions, "Other") == nullptr);
}
