#include <catch2/catch.hpp>

#include "operator/backend/local/roster.hpp"
#include "tests/operator/backend/local/roster_stage.hpp"

using namespace ei;
using namespace ei::backend::local;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

/// A dispatcher, a worker and a standby, all ready: a-dispatcher-1, a-worker-2, a-worker-3.
struct WithStandby : RosterStage {
  WithStandby() {
    spec.scaling.standby = 1;
    spec.scaling.cooldown = 60s;
    want(1, 1, 1);
    for (auto const* name : {"a-dispatcher-1", "a-worker-2", "a-worker-3"}) {
      listens(name);
      becomes_ready(name);
    }
    (void)done();
  }
  void scale(int workers, int standby) {
    roster.want_workers(workers, standby);
    act();
  }
  [[nodiscard]] Words standbys() const {
    Words names;
    for (auto const& each : observed().standbys) names.push_back(each.name + (each.ready ? "" : " starts"));
    return names;
  }
  [[nodiscard]] Words workers() const {
    Words names;
    for (auto const& each : observed().workers) {
      if (!each.terminating) names.push_back(each.name + (each.ready ? "" : " starts"));
    }
    return names;
  }
};

}  // namespace

TEST_CASE("roster: a standby is no worker and has no core") {
  WithStandby const stage;
  CHECK(stage.workers() == Words{"a-worker-2"});
  CHECK(stage.standbys() == Words{"a-worker-3"});
  CHECK(stage.roster.cores_taken().size() == 1);
  CHECK(stage.roster.workers_wanted() == 1);
}

TEST_CASE(
    "roster: a further worker is the standby, which is ready once it asks for jobs, and has a successor") {
  WithStandby stage;
  stage.scale(2, 1);
  CHECK(stage.done() == Words{"promote a-worker-3", "start a-worker-4"});
  CHECK(stage.workers() == Words{"a-worker-2", "a-worker-3 starts"});
  CHECK(stage.roster.cores_taken().size() == 2);
  stage.becomes_ready("a-worker-3");
  CHECK(stage.workers() == Words{"a-worker-2", "a-worker-3"});
  CHECK(stage.standbys() == Words{"a-worker-4 starts"});
}

TEST_CASE(
    "roster: more than the standbys start as ever, and a standby that starts is further on than a new one") {
  WithStandby stage;
  stage.scale(4, 1);
  CHECK(stage.done() ==
        Words{"promote a-worker-3", "start a-worker-4", "start a-worker-5", "start a-worker-6"});
  stage.scale(5, 1);
  CHECK(stage.done() == Words{"promote a-worker-6", "start a-worker-7"});
}

TEST_CASE("roster: who is given up waits as a standby and is taken back at once") {
  WithStandby stage;
  stage.scale(2, 1);
  stage.becomes_ready("a-worker-3");
  stage.becomes_ready("a-worker-4");
  (void)stage.done();
  stage.scale(1, 1);
  CHECK(stage.done() == Words{"demote a-worker-3"});
  CHECK(stage.standbys().size() == 2);
  stage.pass(59s);
  CHECK(stage.done().empty());
  stage.scale(3, 1);
  auto done = stage.done();
  std::sort(done.begin(), done.end());
  CHECK(done == Words{"promote a-worker-3", "promote a-worker-4", "start a-worker-5"});
}

TEST_CASE("roster: standbys beyond the wish leave when they were not needed for the cooldown") {
  WithStandby stage;
  stage.scale(2, 1);
  stage.becomes_ready("a-worker-3");
  stage.becomes_ready("a-worker-4");
  stage.scale(1, 1);
  (void)stage.done();
  CHECK(stage.roster.next_time().has_value());
  stage.pass(60s);
  CHECK(stage.done().size() == 1);
  CHECK(stage.standbys().size() == 1);
  stage.pass(10min);
  CHECK(stage.standbys().size() == 1);
}

TEST_CASE("roster: without a worker the standby stays, and is what wakes") {
  WithStandby stage;
  stage.scale(0, 1);
  CHECK(stage.done() == Words{"demote a-worker-2"});
  CHECK(stage.workers().empty());
  stage.pass(10min);
  (void)stage.done();
  CHECK(stage.standbys().size() == 1);
  stage.scale(1, 1);
  auto const done = stage.done();
  REQUIRE(done.size() == 2);
  CHECK_THAT(done[0], Catch::Matchers::StartsWith("promote "));
}

TEST_CASE("roster: a standby that crashes is made good like any worker, and says why") {
  WithStandby stage;
  stage.ends("a-worker-3");
  CHECK(stage.done().empty());
  CHECK(stage.observed().standbys.front().name == "a-standby-waiting-1");
  CHECK(stage.observed().standbys.front().trouble->reason == "Crashed");
  stage.pass(10ms);
  CHECK(stage.done() == Words{"start a-worker-4"});
  stage.becomes_ready("a-worker-4");
  CHECK_FALSE(stage.observed().standbys.front().trouble);
}

TEST_CASE("roster: an edit replaces standbys at once, and no standby of the old template is promoted") {
  WithStandby stage;
  stage.spec.model.uri = "builtin://random";
  stage.want(1, 2, 1);
  auto const done = stage.done();
  CHECK(std::count(done.begin(), done.end(), "promote a-worker-3") == 0);
  CHECK(std::count(done.begin(), done.end(), "leave a-worker-3") == 1);
}

TEST_CASE("roster: without standbys in the spec they leave, and nobody else becomes one") {
  WithStandby stage;
  stage.spec.scaling.standby = 0;
  stage.want(1, 1, 0);
  auto const done = stage.done();
  CHECK(std::count(done.begin(), done.end(), "leave a-worker-3") == 1);
  stage.scale(0, 0);
  CHECK(stage.standbys().empty());
}

TEST_CASE("roster: the last to leave are workers and standbys, when the dispatchers have ended") {
  WithStandby stage;
  stage.roster.stop();
  stage.act();
  CHECK(stage.done() == Words{"close 0", "leave a-dispatcher-1"});
  stage.ends("a-dispatcher-1");
  CHECK(stage.done() == Words{"leave a-worker-2", "leave a-worker-3"});
  stage.ends("a-worker-2");
  stage.ends("a-worker-3");
  CHECK(stage.roster.running().empty());
}
