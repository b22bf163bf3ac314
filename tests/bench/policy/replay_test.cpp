#include "bench/policy/replay.hpp"

#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>
#include <numeric>

#include "bench/policy/report.hpp"
#include "runtime/core/json.hpp"

using namespace ei;
using namespace ei::bench;

namespace {

Cell play_well(Match const& match, Contestant contestant, Rules const& rules) {
  return play(match, Player{contestant}, rules).value();
}

/// The decision log of a simulated run, as an operator writes it.
std::string logged(Match const& match, Rules const& rules, std::string const& service) {
  std::string log;
  auto const scenario = scenario_of(match, rules, 0);
  auto const note = [&](scaling::Snapshot const& snapshot, scaling::Decision const& decision, Time now) {
    auto record = scaling::log_record(rules.settings, snapshot, decision, now);
    record["namespace"] = "default";
    record["name"] = service;
    log += boost::json::serialize(record) + "\n";
  };
  (void)simulate(scenario, policy_scaler(rules.settings, {}, true, 1, note));
  return log;
}

Match course() {
  return grid(true)[1];
}  // 140 ms, scaled

}  // namespace

TEST_CASE("a replayed log decides the same again and tells the load, the service and the start") {
  auto const log = read_decision_log(logged(course(), {}, "resnet18"), "");
  REQUIRE(log.has_value());
  auto const repetition = repeat(*log);
  CHECK(repetition.decisions > 900);
  CHECK(repetition.same == repetition.decisions);
  auto const match = match_of_log(log->records);
  REQUIRE(match.has_value());
  CHECK(match->service_ms == Approx(140).epsilon(0.02));
  CHECK(match->service_cv2 == Approx(0.01).epsilon(0.2));
  CHECK(match->start_s == Approx(3));
  auto const sum = [](Trace const& trace) { return std::accumulate(trace.begin(), trace.end(), 0); };
  CHECK(std::abs(sum(match->trace) - sum(course().trace)) <= 10);
}

TEST_CASE("a log of several services is read for the one that is asked for") {
  std::string const both = logged(course(), {}, "one") + logged(course(), {}, "two");
  auto const first = read_decision_log(both, "");
  auto const second = read_decision_log(both, "default/two");
  REQUIRE(first.has_value());
  REQUIRE(second.has_value());
  CHECK(first->size() == second->size());
  CHECK(read_decision_log(both, "default/three").error().kind == ErrorKind::NotFound);
}

TEST_CASE("a last line that was cut off is left out, a broken one in the middle is not") {
  std::string const log = logged(course(), {}, "one");
  std::string const cut = log.substr(0, log.size() - 20);
  CHECK(read_decision_log(cut, "")->size() + 1 == read_decision_log(log, "")->size());
  auto const broken = read_decision_log(log + "{\n" + log, "");
  REQUIRE_FALSE(broken.has_value());
  CHECK(broken.error().message.find("line ") == 0);
}

TEST_CASE("an operator's whole output is read: prefixes, other lines, other services") {
  std::string const log = logged(course(), {}, "one");
  std::string output = "starting\n{\"event\":\"decision\",\"name\":\"one\",\"namespace\":\"default\"}\n";
  for (std::size_t at = 0; at < log.size();) {
    auto const end = log.find('\n', at) + 1;
    output += "[pod/operator-1] 2026-11-24T00:41:22Z " + log.substr(at, end - at) + "{\"event\":\"other\"}\n";
    at = end;
  }
  auto const read = read_decision_log(output, "default/one");
  REQUIRE(read.has_value());
  CHECK(read->size() == read_decision_log(log, "")->size());
  auto const none = read_decision_log(output.substr(0, output.find("[pod")), "");
  CHECK_THAT(none.error().message, Catch::Contains("--decision-log=-"));
}

TEST_CASE("after a restart the log goes on, with a state that begins anew") {
  std::string const log = logged(course(), {}, "one");
  auto const once = read_decision_log(log, "");
  auto const twice = read_decision_log(log + log, "");
  REQUIRE(twice.has_value());
  CHECK(twice->starts == std::vector<std::size_t>{0, once->size()});
  auto const repetition = repeat(*twice);
  CHECK(repetition.same == repetition.decisions);
  for (std::size_t i = 1; i < twice->size(); ++i) CHECK(twice->records[i - 1].now < twice->records[i].now);
  auto const match = match_of_log(twice->records);
  REQUIRE(match.has_value());
  CHECK(static_cast<double>(match->trace.size()) >
        1.9 * static_cast<double>(match_of_log(once->records)->trace.size()));
}

TEST_CASE("logs of two operators are put in the order of their time, with the pause between them") {
  auto const line = [](char const* id, char const* ts, int now_s, int arrivals) {
    scaling::Snapshot snapshot;
    snapshot.sample.emplace();
    snapshot.sample->at = Time(std::chrono::seconds(now_s));
    snapshot.sample->arrivals = snapshot.sample->completions = snapshot.sample->service_seconds = arrivals;
    auto record = scaling::log_record({}, snapshot, {}, Time(std::chrono::seconds(now_s)));
    record["id"] = id;
    record["ts"] = ts;
    return boost::json::serialize(record) + "\n";
  };
  std::string const first =
      line("d-aa-1", "2026-11-24T00:00:00Z", 900, 0) + line("d-aa-2", "2026-11-24T00:00:01Z", 901, 10);
  // Another machine: its clock is far ahead.
  std::string const second =
      line("d-bb-1", "2026-11-24T00:00:11Z", 5000, 110) + line("d-bb-2", "2026-11-24T00:00:12Z", 5001, 120);
  for (auto const& text : {first + second, second + first}) {
    auto const read = read_decision_log(text, "");
    REQUIRE(read.has_value());
    auto const match = match_of_log(read->records);
    REQUIRE(match.has_value());
    CHECK(match->trace == Trace{10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10});
  }
}

TEST_CASE("a log without samples or completions is too short") {
  Rules const rules;
  scaling::State state;
  auto const decision = scaling::decide(rules.settings, state, {}, Time{});
  auto const record = scaling::log_record(rules.settings, {}, decision, Time{});
  auto const log = read_decision_log(boost::json::serialize(record) + "\n", "");
  REQUIRE(log.has_value());
  CHECK(match_of_log(log->records).error().kind == ErrorKind::Invalid);
}

TEST_CASE("the report's last line holds every cell with its fields") {
  auto const matches = grid(true);
  Rules rules;
  rules.runs = 1;
  std::vector<Cell> const cells{play_well(matches[1], Contestant::Latency, rules),
                                play_well(matches[1], Contestant::Hpa70, rules)};
  auto const text = json_line(cells, rules);
  CHECK(text.find(R"("rate_scale":0.75,)") != std::string::npos);  // as people write it, not 7.5E-1
  auto const line = parse_json(text);
  REQUIRE(line.has_value());
  auto const& list = line->at("cells").as_array();
  REQUIRE(list.size() == 2);
  for (char const* key : {"service_ms", "rate_scale", "start_s", "p50_s", "p99_s", "max_s", "late_ratio",
                          "core_seconds", "core_seconds_with_idle", "scale_events"}) {
    INFO(key);
    CHECK(list[0].as_object().at(key).is_number());
  }
  CHECK(list[0].at("policy") == "Latency");
  CHECK(list[1].at("policy") == "Hpa70");
  CHECK(list[0].at("shape") == "course");
  CHECK(cells_csv(cells, rules).find("course,140,0.75,3,Hpa70,") != std::string::npos);
}

TEST_CASE("whatever policy the settings name, both contestants play their own") {
  Rules rules;
  rules.runs = 1;
  Rules classic = rules;
  classic.settings.policy = scaling::Policy::QueueRatio;
  classic.settings.interval = std::chrono::seconds(15);
  Match const match = course();
  CHECK(play_well(match, Contestant::Latency, rules).summary ==
        play_well(match, Contestant::Latency, classic).summary);
  CHECK(play_well(match, Contestant::QueueRatio, rules).summary ==
        play_well(match, Contestant::QueueRatio, classic).summary);
}

TEST_CASE("a measured match is played as it stands, and tells its timeline by the second") {
  Measured measured;
  measured.service_ms = 100;
  measured.start_s = 2;
  measured.worker_cores = 0.25;
  Match const match = match_of(Trace(60, 20), measured);
  Rules rules;
  rules.runs = 1;
  Cell const cell = play_well(match, Contestant::Latency, rules);
  CHECK(match.trace == Trace(60, 20));
  CHECK(cell.summary.core_seconds > 0.25 * 60);
  CHECK(cell.summary.core_seconds < 0.25 * 60 * 4);
  auto const lines = timeline_csv(cell);
  CHECK(lines.find("time_s,desired,ready,queue\n0,1,1,0\n1,") == 0);
  CHECK(std::count(lines.begin(), lines.end(), '\n') > 60);
}

TEST_CASE("through a Prometheus the same policy sees a surge later, and still serves") {
  Rules rules;
  rules.runs = 1;
  Match const match = course();
  auto const direct = play_well(match, Contestant::Latency, rules).summary;
  auto const told = play_well(match, Contestant::LatencyPrometheus15s, rules).summary;
  CHECK(told.p99_s > 5 * direct.p99_s);
  CHECK(told.p99_s < play_well(match, Contestant::Hpa70, rules).summary.p99_s);
}

TEST_CASE("the grid has every shape, service time and start") {
  auto const all = grid(false);
  CHECK(all.size() == 117);
  CHECK(grid(true).size() == 6);
}

TEST_CASE("a line that no operator of that log can have written is refused, by its number and field") {
  auto const record = [](scaling::Settings const& settings, double at_s) {
    Time const at = Time(seconds(at_s));
    return boost::json::serialize(scaling::log_record(settings, {}, {}, at)) + "\n";
  };
  scaling::Settings const good;
  auto const with = [&](auto change) {
    scaling::Settings settings = good;
    change(settings);
    return record(settings, 1) + record(good, 2);
  };
  struct Row {
    std::string log;
    char const* complaint;
  };
  for (Row const& row : {
           Row{with([](auto& s) { s.interval = {}; }),
               "line 1: settings.interval_ms is 0: it must be within [100, 300000]"},
           Row{with([](auto& s) { s.max_replicas = 0; }), "line 1: settings.max_replicas is 0"},
           Row{with([](auto& s) { s.min_replicas = -1; }), "line 1: settings.min_replicas is -1"},
           Row{with([](auto& s) { s.queue_target = 0; }), "line 1: settings.queue_target is 0"},
           Row{with([](auto& s) { s.latency_target = {}; }), "line 1: settings.latency_target_ms is 0"},
       }) {
    auto const read = read_decision_log(row.log, "");
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().message.find(row.complaint) == 0);
  }
}

TEST_CASE("a sample from before the one before it tells no arrivals") {
  std::vector<scaling::LogRecord> log(4);
  double const at_s[] = {10, 5, 7, 12};
  for (std::size_t i = 0; i < log.size(); ++i) {
    scaling::Sample sample;
    sample.at = Time(seconds(at_s[i]));
    sample.arrivals = sample.completions = sample.service_seconds = 10.0 * static_cast<double>(i);
    log[i].snapshot.sample = sample;
  }
  auto const match = match_of_log(log);
  REQUIRE(match.has_value());
  CHECK(match->trace == Trace{15, 15});
}

TEST_CASE("a log that no service can have written is refused, and not simulated for years") {
  std::vector<scaling::LogRecord> log(2);
  log[0].snapshot.sample = scaling::Sample{};
  log[1].snapshot.sample = scaling::Sample{};
  log[1].snapshot.sample->at = Time(std::chrono::hours(24 * 365));
  CHECK(match_of_log(log).error().message.find("more than a month") != std::string::npos);
  log[1].snapshot.sample->at = Time(std::chrono::seconds(1));
  log[1].snapshot.sample->arrivals = 1e12;
  CHECK(match_of_log(log).error().kind == ErrorKind::Invalid);
}

TEST_CASE("a baseline stands with the queue that gives it the better p99, ours always with the lane") {
  Rules rules;
  rules.runs = 1;
  Rules as_run = rules;
  as_run.lane_for_all = true;
  auto const matches = grid(true);
  Match const& light = matches[5];  // 30 ms, unscaled: one in eight is late, and the lane lets them wait
  Cell const plain = play_well(light, Contestant::Hpa90, rules);
  CHECK_FALSE(plain.late_lane);
  CHECK(plain.summary.p99_s < play_well(light, Contestant::Hpa90, as_run).summary.p99_s);
  Cell const laned = play_well(course(), Contestant::Kpa, rules);
  CHECK(laned.late_lane);
  CHECK(laned.summary == play_well(course(), Contestant::Kpa, as_run).summary);
  CHECK(play_well(light, Contestant::Latency, rules).late_lane);
}

TEST_CASE("the classic rule keeps the interval of settings that are its own") {
  Rules rules;
  rules.runs = 1;
  rules.settings.policy = scaling::Policy::QueueRatio;
  rules.settings.interval = std::chrono::seconds(5);
  Rules slower = rules;
  slower.settings.interval = std::chrono::seconds(15);
  CHECK_FALSE(play_well(course(), Contestant::QueueRatio, rules).summary ==
              play_well(course(), Contestant::QueueRatio, slower).summary);
}

TEST_CASE("a trace of another size shows where nobody can be punctual") {
  auto const text = demand(matches_of(Trace(100, 10), true, false), {});
  CHECK(text.find("  250 ms, rate x0.36: 0.9 of 6\n") != std::string::npos);
  CHECK(demand(matches_of(Trace(100, 30), true, false), {}).find("  250 ms, rate x1: 7.5 of 6: more than") !=
        std::string::npos);
}

TEST_CASE("no plan is searched for where that would take more than about a minute") {
  Match long_one = course();
  CHECK(can_plan(long_one, {}));
  CHECK(unplanned({long_one}, {}).empty());
  long_one.trace.assign(86'400, 10);
  CHECK_FALSE(can_plan(long_one, {}));
  CHECK(unplanned({course(), long_one}, {}).find("no Planner in 1 of 2 matches") != std::string::npos);
}
