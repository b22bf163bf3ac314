#include <catch2/catch.hpp>

#include "tests/operator/plan/example.hpp"

namespace plan = ei::plan;
using namespace ei::plan::example;
using namespace std::chrono_literals;

namespace {

plan::Observation with_standbys(std::vector<plan::WorkerInstance> standbys) {
  auto seen = service();
  seen.spec->scaling.standby = 1;
  seen.standbys = std::move(standbys);
  return seen;
}

ei::scaling::Decision keeping(int standby) {
  auto decision = steady();
  decision.standby = standby;
  return decision;
}

}  // namespace

TEST_CASE("Standbys count for themselves, and neither as workers nor as ready ones") {
  auto const seen = with_standbys({ready_worker("standby-0")});
  auto const status = plan::make_plan(seen, verdict(keeping(1)), kNow).status;
  CHECK(status.replicas == 2);
  CHECK(status.ready_replicas == 2);
  CHECK(status.standby_replicas == 1);
  CHECK(shown(seen, verdict(keeping(1)), "StandbyReady") == "True AllReady: 1 of 1 standby is ready");
  auto const workers = plan::workers_of(seen, {}, kNow);
  CHECK(workers.list.size() == 2);
  REQUIRE(workers.standbys.size() == 1);
  CHECK(workers.standbys[0].start_seconds == Approx(2));
}

TEST_CASE("What keeps a standby from being warm is told, and says nothing of the workers") {
  auto seen = with_standbys({starting_worker("standby-0", 2s)});
  CHECK(shown(seen, verdict(keeping(1)), "StandbyReady") == "False Starting: 0 of 1 standby is ready");
  seen.standbys[0].trouble = plan::Trouble{"Crashed", "standby-0 exited with 1"};
  CHECK(shown(seen, verdict(keeping(1)), "StandbyReady") ==
        "False Crashed: 0 of 1 standby is ready: standby-0 exited with 1");
  CHECK(shown(seen, verdict(keeping(1)), "WorkersReady") == "True AllReady: 2 of 2 workers are ready");
  auto const told = events(plan::make_plan(settled(service(), verdict(steady())), verdict(steady()), kNow));
  auto before = seen;
  before.status = plan::make_plan(service(), verdict(steady()), kNow).status;
  CHECK(events(plan::make_plan(before, verdict(keeping(1)), kNow)).size() == told.size() + 1);
}

TEST_CASE("Without standbys in the spec no condition speaks of them") {
  auto seen = with_standbys({});
  seen = settled(seen, verdict(keeping(1)));
  CHECK(ei::api::find_condition(seen.status.conditions, "StandbyReady") != nullptr);
  seen.spec->scaling.standby = 0;
  CHECK(shown(seen, verdict(steady()), "StandbyReady") == "absent");
}

TEST_CASE("A backend that can have no standbys says why") {
  auto seen = with_standbys({});
  seen.no_standbys = plan::Trouble{"NotOnClusters", "not yet"};
  CHECK(shown(seen, verdict(keeping(0)), "StandbyReady") == "False NotOnClusters: not yet");
}

TEST_CASE("A plan asks for the standbys beside the workers") {
  auto const made = plan::make_plan(with_standbys({}), verdict(keeping(1)), kNow);
  CHECK(all<plan::EnsureWorkers>(made) == std::vector{plan::EnsureWorkers{2, 1}});
  CHECK(boost::json::serialize(plan::to_json(plan::EnsureWorkers{2, 1})) ==
        R"({"action":"EnsureWorkers","replicas":2,"standby":1})");
}

TEST_CASE("The event of a scale-up says how many came from standby") {
  auto decision = change(2, 4, ei::scaling::Reason::LoadRose, "why");
  decision.inputs.standby = decision.inputs.promoted = 1;
  auto const made = plan::make_plan(settled(service(), verdict(steady())), verdict(decision), kNow);
  auto const told = events(made);
  CHECK(std::count(told.begin(), told.end(), "ScaledUp: 2 -> 4, LoadRose: why; 1 from standby") == 1);
}
