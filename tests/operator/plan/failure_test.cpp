#include "operator/plan/failure.hpp"

#include <catch2/catch.hpp>

#include "tests/operator/plan/example.hpp"

namespace plan = ei::plan;
using namespace ei::plan::example;
using namespace std::chrono_literals;

TEST_CASE("A refusal is told in a condition and an event, once for each text") {
  auto seen = settled(service(), verdict(steady()));
  auto const error = ei::make_error(ei::ErrorKind::Forbidden, "exceeded quota: pods=2");
  auto const actions = plan::plan_failure(seen, error, kNow);
  REQUIRE(actions.size() == 2);
  CHECK(std::get<plan::RecordEvent>(actions[0]).message == "exceeded quota: pods=2");
  seen.status = std::get<plan::WriteStatus>(actions[1]).status;
  auto const* condition = find_condition(seen.status.conditions, "WorkersReady");
  CHECK(condition->reason == "Refused");
  CHECK(condition->status == ei::api::ConditionStatus::False);
  CHECK(plan::plan_failure(seen, error, kNow + 1h).empty());
}

TEST_CASE("A child's name that somebody else's object has is told too") {
  auto const error = ei::make_error(ei::ErrorKind::AlreadyExists, "Service resnet18 exists already");
  CHECK(plan::plan_failure(service(), error, kNow).size() == 2);
}

TEST_CASE("What passes by itself is not told") {
  for (auto const kind : {ei::ErrorKind::Conflict, ei::ErrorKind::Timeout, ei::ErrorKind::Unavailable,
                          ei::ErrorKind::TooMany, ei::ErrorKind::Canceled, ei::ErrorKind::NotFound}) {
    CHECK(plan::plan_failure(service(), ei::make_error(kind, "x"), kNow).empty());
  }
}
