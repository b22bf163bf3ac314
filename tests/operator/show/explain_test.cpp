#include "operator/show/explain.hpp"

#include <catch2/catch.hpp>
#include <sstream>

#include "operator/scaling/json.hpp"
#include "runtime/core/json.hpp"

namespace api = ei::api;
namespace scaling = ei::scaling;
namespace show = ei::show;

namespace {

std::string line(std::string const& name, std::string const& id, scaling::Decision decision) {
  scaling::Snapshot const snapshot;
  auto record = scaling::log_record({}, snapshot, decision, {});
  record["ts"] = "2026-01-01T12:00:00Z";
  record["namespace"] = "vision";
  record["name"] = name;
  record["id"] = id;
  return ei::to_json_text(record) + "\n";
}

scaling::Decision change(int from, int to) {
  scaling::Decision decision;
  decision.from = from;
  decision.to = to;
  decision.reason = from == to ? scaling::Reason::Steady : scaling::Reason::LoadRose;
  decision.term = scaling::Term::Load;
  return decision;
}

std::vector<std::string> ids(std::string const& log, show::LogQuery const& query) {
  std::istringstream in(log);
  auto const found = show::read_decisions(in, query);
  if (!found) return {found.error().message};
  std::vector<std::string> out;
  for (auto const& told : *found) out.push_back(told.record.id);
  return out;
}

}  // namespace

TEST_CASE("A decision of the log is told with inputs, terms, winner, bound, and why not more and not fewer") {
  auto decision = change(2, 4);
  decision.limit = scaling::Limit::Maximum;
  decision.formula = "R = 0.9";
  decision.why_not_more = "the maximum is 4";
  decision.why_not_less = "3 would leave 0.0312 late";
  auto& inputs = decision.inputs;
  inputs.sample = scaling::SampleUse::Fresh;
  inputs.arrival_rps = 31.54;
  inputs.service_seconds = 0.0214;
  inputs.queue = 12;
  inputs.in_flight = 2;
  inputs.oldest_age_seconds = 0.3;
  inputs.ready = 2;
  inputs.starting = 1;
  inputs.load_workers = 5;
  inputs.spare_workers = 1;
  inputs.backlog_workers = 3;
  std::istringstream log(line("resnet18", "d-1", decision));
  auto const found = show::read_decisions(log, {"resnet18", "", 3, false});
  REQUIRE(found.has_value());
  CHECK(show::explain(found->front()) ==
        std::vector<std::string>{
            "2026-01-01T12:00:00.000000Z  resnet18 goes from 2 to 4 workers: LoadRose (decision d-1)",
            "  measured:  31.5 requests/s arrive; one takes 0.021 s; 12 wait and 2 are being computed, the "
            "oldest "
            "for 0.30 s; 2 workers are ready, 1 starts",
            "  asked for: the load 5 (1 of them because starts are slow), the backlog 3; the term Load won",
            "  rule:      R = 0.9",
            "  bound:     maxReplicas kept it from going higher",
            "  not more:  the maximum is 4",
            "  not fewer: 3 would leave 0.0312 late",
        });
}

TEST_CASE("The last changes are told, and the newest decision also where it kept the count") {
  std::string log;
  for (int i = 1; i <= 5; ++i) {
    log += line("resnet18", "change-" + std::to_string(i), change(i, i + 1));
    log += line("other", "other-" + std::to_string(i), change(i, i + 1));
    log += line("resnet18", "kept-" + std::to_string(i), change(i + 1, i + 1));
  }
  CHECK(ids(log, {"resnet18", "", 2, false}) == std::vector<std::string>{"change-4", "change-5", "kept-5"});
  CHECK(ids(log, {"resnet18", "", 3, true}) == std::vector<std::string>{"kept-4", "change-5", "kept-5"});
  CHECK(ids(log, {"resnet18", "vision", 1, false}) == std::vector<std::string>{"change-5", "kept-5"});
}

TEST_CASE("A log without the service, and a line that is none, are told by name and number") {
  auto const log = line("other", "d-1", change(1, 2));
  CHECK(ids(log, {"resnet18", "", 3, false}) ==
        std::vector<std::string>{
            "the decision log has none about resnet18; it has decisions about vision/other"});
  CHECK(
      ids(log, {"other", "audio", 3, false}) ==
      std::vector<std::string>{"the decision log has none about other; it has decisions about vision/other"});
  CHECK(ids("", {"resnet18", "", 3, false}) ==
        std::vector<std::string>{"the decision log has none about resnet18; it holds no decision"});
  CHECK_THAT(ids(log + "{\n", {"other", "", 3, false}).front(),
             Catch::StartsWith("line 2 of the decision log: "));
  CHECK(ids(log + "{}\n", {"other", "", 3, false}).front() ==
        "line 2 of the decision log: it has no decision");
}

TEST_CASE("A status says what is not as it should be, and one of an earlier release is told without words") {
  api::Status status;
  status.ready_replicas = 1;
  status.desired_replicas = 2;
  status.conditions = {{"Ready", api::ConditionStatus::True, "Serving", "", {}, 1},
                       {"Paused", api::ConditionStatus::False, "NotPaused", "", {}, 1},
                       {"ScalingLimited", api::ConditionStatus::True, "AtMaximum", "more is needed", {}, 1}};
  CHECK(show::explain_state(status) ==
        std::vector<std::string>{"now: 1 of 2 wanted workers are ready, 0 requests wait",
                                 "  ScalingLimited is True (AtMaximum): more is needed"});
  show::Told const former{"resnet18", "vision", {"d-1", {}, 1, 1, "Steady", "R = 0.1"}};
  CHECK(show::explain(former) ==
        std::vector<std::string>{
            "1970-01-01T00:00:00.000000Z  resnet18 stays at 1 worker: Steady (decision d-1)",
            "  rule:      R = 0.1"});
}

TEST_CASE("Advice is told as what each policy has cost, the acting one first") {
  ei::api::Advice advice;
  advice.since = ei::parse_rfc3339("2026-03-04T00:00:00Z").value();
  advice.measured_seconds = 3600;
  advice.unmeasured_seconds = 4;
  advice.requests = 500;
  advice.acting = {1, 3600, 3};
  advice.advisors = {{ei::scaling::Advisor::Hpa70, {4, 10'000, 70}}};
  CHECK(show::explain_advice(advice) ==
        std::vector<std::string>{"advice since 2026-03-04T00:00:00Z: 500 requests in 3600 s (4 s were not "
                                 "measured and are left out)",
                                 "  acting      1 worker, 3600 core-seconds, 3 late",
                                 "  Hpa70       4 workers, 10000 core-seconds, 70 late"});
}
