#include "operator/api/status.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

namespace api = ei::api;
using namespace std::chrono_literals;

TEST_CASE("A status survives the way through the API server") {
  auto const time = ei::parse_rfc3339("2026-01-01T12:00:00.123Z").value();
  api::Status status;
  status.observed_generation = 4;
  status.replicas = 3;
  status.ready_replicas = 2;
  status.desired_replicas = 5;
  status.recommended_replicas = 7;
  status.selector = "app=x";
  status.model.version = "0123456789ab";
  status.model.output = "probabilities";
  status.model.precision = "int8";
  status.model.agreement = 0.96875;
  status.queue = {17, 3, 12.5, 230ms, 410ms};
  using ei::scaling::Advisor;
  status.advice = {{std::chrono::floor<std::chrono::seconds>(time), 3600, 4, 500, {2, 7200, 3}, {}}};
  status.advice[0].advisors = {{Advisor::Kpa, {3, 9000, 0}}, {Advisor::Hpa70, {4, 10'000, 70}}};
  status.last_decision = api::DecisionRecord{"d-1", time, 3, 5, "LoadRose", "n = 5"};
  status.history = {*status.last_decision};
  status.conditions = {{"Ready", api::ConditionStatus::True, "Serving", "2 of 3",
                        std::chrono::floor<std::chrono::seconds>(time), 4}};
  CHECK(api::status_from_json(to_json(status)) == status);
}

TEST_CASE("What a decision rests on reads back as it was written") {
  api::Explanation const explanation{"2 wait", "the load 3", "nothing", "enough", ""};
  auto const json = to_json(explanation);
  CHECK(json.size() == 4);
  CHECK(api::explanation_from_json(json) == explanation);
  CHECK(api::explanation_from_json(boost::json::parse(R"({"terms": 5})")) == api::Explanation{});
}

TEST_CASE("A status of another shape reads as if those parts were missing") {
  auto const status = api::status_from_json(boost::json::parse(
      R"({"replicas": "three", "queue": [], "conditions": [5, {"type": "Ready"}], "history": null, "more": 1})"));
  CHECK(status.replicas == 0);
  REQUIRE(status.conditions.size() == 1);
  CHECK(status.conditions[0].status == api::ConditionStatus::Unknown);
  CHECK(api::status_from_json(nullptr) == api::Status{});
}
