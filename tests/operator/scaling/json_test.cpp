#include "operator/scaling/json.hpp"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

#include "runtime/core/json.hpp"
#include "tests/operator/scaling/script.hpp"

using namespace ei;
using namespace ei::scaling;
using namespace ei::scaling::test;

namespace {

/// Through text, as a log does it.
boost::json::value reread(boost::json::object const& object) {
  return *parse_json(boost::json::serialize(object));
}

}  // namespace

TEST_CASE("a decision log replays to the same decisions") {
  Script script(1);
  script.rate_rps = 17.3;
  script.service_seconds = 0.123456789;
  std::vector<boost::json::value> log;
  std::vector<Decision> decisions;
  for (int i = 0; i < 60; ++i) {
    if (i == 30) script.rate_rps = 51.7;
    if (i == 40) script.sample = {};
    script.blind = i == 20;
    script.sample.queue = i % 7;
    Snapshot before{std::nullopt, script.workers};
    Decision const decision = script.step();
    Snapshot seen = script.snapshot();
    seen.workers = before.workers;
    log.push_back(reread(log_record(script.settings, seen, decision, at(script.now_seconds))));
    decisions.push_back(decision);
  }
  State state;
  for (std::size_t i = 0; i < log.size(); ++i) {
    auto const record = log_record_from_json(log[i]);
    REQUIRE(record.has_value());
    Decision const again = decide(record->settings, state, record->snapshot, record->now);
    // Boost.JSON 1.81 reads a double to within a unit in its last place, so the words
    // are compared, not the bits.
    CHECK(again.reason == decisions[i].reason);
    CHECK(again.formula == decisions[i].formula);
    CHECK(again.why_not_less == decisions[i].why_not_less);
    CHECK(again.replace == decisions[i].replace);
    CHECK(record->from == again.from);
    CHECK(record->to == again.to);
  }
}

TEST_CASE("a state survives a file") {
  Script script(2);
  script.rate_rps = 32;
  script.service_seconds = 0.125;  // sums without rounding, which text gives back exactly
  script.workers.list[0].start_seconds = 2.5;
  script.workers.list[1] = {"stuck", false, 100, {}};
  script.run(40);
  script.state.lateness = {0.5, 32, at(100)};
  script.state.surge = State::Surge{3, at(101)};
  script.state.recurrence = State::Recurrence{4, at(250)};
  script.state.samples.back().late = 7;
  auto const state = state_from_json(reread(to_json(script.state)));
  REQUIRE(state.has_value());
  CHECK(*state == script.state);
  CHECK(*state_from_json(reread(to_json(State{}))) == State{});
}

TEST_CASE("settings survive a file") {
  Settings settings;
  settings.policy = Policy::QueueRatio;
  settings.cooldown = std::chrono::milliseconds(1500);
  settings.on_metrics_loss = MetricsLoss::ScaleToMax;
  settings.paused = true;
  CHECK(*settings_from_json(reread(to_json(settings))) == settings);
}

TEST_CASE("a broken sample stays broken in the log") {
  Script script(1);
  script.sample.queue = std::nan("");
  Snapshot const snapshot = script.snapshot();
  auto const read = snapshot_from_json(reread(to_json(snapshot)));
  REQUIRE(read.has_value());
  CHECK(std::isnan(read->sample->queue));
}

TEST_CASE("a bad record is refused with the place of its fault") {
  Script script(1);
  Decision const decision = script.step();
  auto const good = log_record(script.settings, script.snapshot(), decision, at(script.now_seconds));
  struct Row {
    std::function<void(boost::json::object&)> spoil;
    char const* complaint;
  };
  for (Row const& row : {
           Row{[](auto& o) { o.erase("now_ns"); }, "record: now_ns is not an integer"},
           Row{[](auto& o) { o["settings"].as_object()["policy"] = "Magic"; },
               "record.settings: policy is not a known name: Magic"},
           Row{[](auto& o) { o["snapshot"].as_object()["workers"] = 3; },
               "record.snapshot: workers is not a list"},
           Row{[](auto& o) { o["snapshot"].as_object()["sample"].as_object()["queue"] = "many"; },
               "record.snapshot.sample: queue is not a number"},
           Row{[](auto& o) { o["decision"] = nullptr; }, "record.decision: is not an object"},
       }) {
    boost::json::object spoiled = good;
    row.spoil(spoiled);
    auto const read = log_record_from_json(spoiled);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().message == row.complaint);
  }
}
