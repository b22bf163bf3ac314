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

TEST_CASE("settings and snapshot survive a log") {
  LogRecord record;
  record.settings.policy = Policy::QueueRatio;
  record.settings.cooldown = std::chrono::milliseconds(1500);
  record.settings.on_metrics_loss = MetricsLoss::ScaleToMax;
  record.settings.paused = true;
  record.settings.advise = true;
  record.snapshot.workers.current = 3;
  record.snapshot.workers.list = {{"a", true, 0, 2.5, true}, {"stuck", false, 100, {}, false}};
  SECTION("without a sample") {}
  SECTION("with one") {
    record.snapshot.sample = Sample{at(7), 1, 2, 0.5, 0.25, 7, 3, 1, 0.125, 18446744073709551615U};
  }
  auto const read = log_record_from_json(reread(log_record(record.settings, record.snapshot, {}, at(8))));
  REQUIRE(read.has_value());
  CHECK(read->settings == record.settings);
  CHECK(read->snapshot == record.snapshot);
  CHECK(read->now == at(8));
}

TEST_CASE("a broken sample stays broken in the log") {
  Script script(1);
  script.sample.queue = std::nan("");
  auto const read = log_record_from_json(reread(log_record({}, script.snapshot(), {}, at(8))));
  REQUIRE(read.has_value());
  CHECK(std::isnan(read->snapshot.sample->queue));
}

TEST_CASE("a log of an earlier release says less of a worker and is read") {
  Snapshot snapshot;
  snapshot.workers.list = {{"a", true, 0, {}, true}};
  auto record = log_record({}, snapshot, {}, at(8));
  record["snapshot"].at("workers").at(0).as_object().erase("proven");
  auto const read = log_record_from_json(record);
  REQUIRE(read.has_value());
  CHECK(read->snapshot == snapshot);
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
           Row{[](auto& o) { o.erase("now_ns"); }, "now_ns is missing"},
           Row{[](auto& o) { o["settings"].as_object()["policy"] = "Magic"; },
               "settings.policy is \"Magic\"; allowed: Latency, QueueRatio, External, Webhook"},
           Row{[](auto& o) { o["snapshot"].as_object()["workers"] = 3; },
               "snapshot.workers is 3; allowed: a list"},
           Row{[](auto& o) { o["snapshot"].as_object()["sample"].as_object()["queue"] = "many"; },
               "snapshot.sample.queue is \"many\"; allowed: a number"},
           Row{[](auto& o) {
                 o["settings"].as_object()["paused"] = "yes";
                 o["decision"].as_object()["to"] = 2.5;
               },
               "settings.paused is \"yes\"; allowed: true, false; decision.to is 2.5; allowed: a whole "
               "number from "
               "-2147483648 to 2147483647"},
           Row{[](auto& o) { o["decision"] = nullptr; }, "decision is null; allowed: an object"},
       }) {
    boost::json::object spoiled = good;
    row.spoil(spoiled);
    auto const read = log_record_from_json(spoiled);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().message == row.complaint);
  }
}
