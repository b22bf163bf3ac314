#include "operator/plan/action.hpp"

#include <catch2/catch.hpp>

#include "runtime/core/json.hpp"

namespace plan = ei::plan;
namespace api = ei::api;

TEST_CASE("every action is shown as one object with its name and what it asks for") {
  auto const shown = [](plan::Action const& action) { return ei::to_json_text(to_json(action)); };
  CHECK(shown(plan::EnsureDispatcher{2}) == R"({"action":"EnsureDispatcher","replicas":2})");
  CHECK(shown(plan::EnsureWorkers{3}) == R"({"action":"EnsureWorkers","replicas":3})");
  CHECK(shown(plan::ScaleWorkers{4}) == R"({"action":"ScaleWorkers","replicas":4})");
  CHECK(shown(plan::ReplaceWorker{"w-1", "hangs"}) ==
        R"({"action":"ReplaceWorker","worker":"w-1","why":"hangs"})");
  CHECK(shown(plan::RemoveChildren{}) == R"({"action":"RemoveChildren"})");
  CHECK(
      shown(plan::RecordEvent{plan::EventType::Normal, "ScaledUp", "from 1 to 2", "d-1"}) ==
      R"({"action":"RecordEvent","type":"Normal","reason":"ScaledUp","message":"from 1 to 2","decision":"d-1"})");
  CHECK(shown(plan::RecordEvent{plan::EventType::Warning, "Invalid", "no", ""}) ==
        R"({"action":"RecordEvent","type":"Warning","reason":"Invalid","message":"no"})");
}

TEST_CASE("a status is shown with what its decision rests on, where that is known") {
  api::Status status;
  status.replicas = 3;
  auto const plain = to_json(plan::Action(plan::WriteStatus{status}));
  CHECK(plain.at("status").at("replicas") == 3);
  CHECK_FALSE(plain.contains("explanation"));
  auto const told =
      to_json(plan::Action(plan::WriteStatus{status, api::Explanation{"12 wait", "", "", "", ""}}));
  CHECK(ei::to_json_text(told.at("explanation")) == R"({"measured":"12 wait"})");
}
