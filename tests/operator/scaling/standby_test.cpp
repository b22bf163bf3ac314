#include <catch2/catch.hpp>

#include "operator/scaling/json.hpp"
#include "operator/scaling/load.hpp"
#include "operator/scaling/words.hpp"
#include "tests/operator/scaling/script.hpp"

using namespace ei::scaling;
using namespace ei::scaling::test;

namespace {

Worker standby(std::string name, bool ready, double not_ready_seconds = 0) {
  return {std::move(name), ready, not_ready_seconds, {}};
}

/// Whose workers take ten seconds to start.
Script slow_start(int current) {
  Script script(current);
  script.state.start_seconds = {10};
  script.settings.max_replicas = 20;
  script.rate_rps = 30;
  return script;
}

}  // namespace

TEST_CASE("standbys are wanted as many as are set, and none that could never be promoted") {
  Settings settings;
  settings.max_replicas = 6;
  settings.standby = 2;
  CHECK(standbys_wanted(settings, 0) == 2);
  CHECK(standbys_wanted(settings, 4) == 2);
  CHECK(standbys_wanted(settings, 5) == 1);
  CHECK(standbys_wanted(settings, 6) == 0);
  CHECK(standbys_wanted(settings, 8) == 0);
  settings.standby = 0;
  CHECK(standbys_wanted(settings, 1) == 0);
}

TEST_CASE("with standbys nothing is spare that they can be, and fewer run") {
  auto alone = slow_start(6);
  auto const without = alone.run(60);
  auto beside = slow_start(6);
  beside.workers.standbys = {standby("s1", true), standby("s2", true)};
  auto const with = beside.run(60);
  CHECK(without.inputs.spare_workers > 0);
  CHECK(with.inputs.spare_workers < without.inputs.spare_workers);
  CHECK(with.to < without.to);
  CHECK(with.inputs.outlook_seconds == Approx(1.5));
  CHECK(without.inputs.outlook_seconds == Approx(11));
  CHECK_THAT(with.formula, Catch::Contains("and with 2 on standby"));
}

TEST_CASE("a standby that starts is reckoned with, and one that never gets ready is not") {
  auto script = slow_start(6);
  script.workers.standbys = {standby("s1", false, 2)};
  CHECK(script.run(60).inputs.outlook_seconds == Approx(1.5));
  auto stuck = slow_start(6);
  stuck.obedient = false;
  stuck.workers.standbys = {standby("s1", false, 3000)};
  auto const decision = stuck.run(60);
  CHECK(decision.inputs.outlook_seconds == Approx(11));
}

TEST_CASE("a standby that never gets ready is replaced like any worker") {
  auto script = slow_start(6);
  script.workers.standbys = {standby("s1", false, 3000)};
  CHECK(script.step().replace == std::vector<std::string>{"s1"});
}

TEST_CASE("a decision says how many of the new workers were standbys") {
  auto script = slow_start(2);
  script.obedient = false;
  script.workers.standbys = {standby("s1", true), standby("s2", false, 1)};
  auto const decision = script.run(20);
  REQUIRE(decision.to > 3);
  CHECK(decision.inputs.standby == 1);
  CHECK(decision.inputs.promoted == 1);
  CHECK_THAT(measured_in_words(decision.inputs), Catch::Contains("1 on standby (1 promoted)"));
}

TEST_CASE("what is given up while standbys wait is given up sooner") {
  auto script = slow_start(6);
  script.workers.standbys = {standby("s1", true)};
  script.run(60);
  script.rate_rps = 5;
  CHECK(script.run(3).inputs.hold_seconds == Approx(2));
}

TEST_CASE("standbys are in the decision log") {
  Snapshot snapshot;
  snapshot.workers.standbys = {standby("s1", true), standby("s2", false, 1.5)};
  Settings settings;
  settings.standby = 2;
  auto const record = log_record_from_json(log_record(settings, snapshot, {}, at(8)));
  REQUIRE(record.has_value());
  CHECK(record->snapshot == snapshot);
  CHECK(record->settings == settings);
}
