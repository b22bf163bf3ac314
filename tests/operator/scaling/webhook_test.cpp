#include <catch2/catch.hpp>

#include "operator/api/limits.hpp"
#include "operator/scaling/exchange.hpp"
#include "operator/scaling/json.hpp"
#include "runtime/core/json.hpp"
#include "tests/operator/scaling/script.hpp"

using namespace ei;
using namespace ei::scaling;
using namespace ei::scaling::test;

namespace {

static_assert(kMostAnsweredReplicas == api::kExternalReplicas.most);

Answer answered(int replicas) {
  return {replicas, "Because", "it is so", ""};
}

Answer failed() {
  return {0, "", "", "no answer within 200 ms"};
}

Script script_of(WebhookFailure on_failure) {
  Script script(2);
  script.settings.policy = Policy::Webhook;
  script.settings.on_webhook_failure = on_failure;
  return script;
}

std::string complaint(std::string_view text) {
  auto const answer = read_answer(text);
  return answer ? "" : answer.error().message;
}

}  // namespace

TEST_CASE("the webhook's count is obeyed, with its words in the formula") {
  Script script = script_of(WebhookFailure::Hold);
  script.answer = answered(4);
  Decision const decision = script.step();
  CHECK(decision.to == 4);
  CHECK(decision.reason == Reason::WebhookAnswered);
  CHECK(decision.term == Term::Webhook);
  CHECK(decision.formula == "the webhook answered 4: Because (it is so)");
  CHECK(script.step().reason == Reason::Steady);
}

TEST_CASE("the bounds are the operator's whatever the webhook answers") {
  Script script = script_of(WebhookFailure::Hold);
  script.answer = answered(1000);
  Decision const most = script.step();
  CHECK(most.to == script.settings.max_replicas);
  CHECK(most.limit == Limit::Maximum);
  script.answer = answered(0);
  CHECK(script.step().to == script.settings.min_replicas);
}

TEST_CASE("without an answer the count stays") {
  Script script = script_of(WebhookFailure::Hold);
  script.rate_rps = 100;
  script.answer = failed();
  Decision const decision = script.run(20);
  CHECK(decision.to == 2);
  CHECK(decision.reason == Reason::WebhookFailed);
  CHECK(decision.formula == "no usable answer of the webhook: no answer within 200 ms");
}

TEST_CASE("without an answer Latency decides where it is asked to, on a history that is there already") {
  Script script = script_of(WebhookFailure::Latency);
  script.rate_rps = 30;
  script.answer = answered(6);
  (void)script.run(60);
  script.answer = failed();
  Decision const decision = script.step();
  CHECK(decision.to < 6);
  CHECK(decision.to > 3);
  CHECK(decision.reason == Reason::LoadFell);
  CHECK(decision.formula.starts_with(
      "no usable answer of the webhook: no answer within 200 ms; Latency instead: "));
}

TEST_CASE("without a usable sample no answer counts") {
  Script script = script_of(WebhookFailure::Hold);
  script.answer = answered(1);
  script.blind = true;
  Decision const decision = script.step();
  CHECK(decision.to == 2);
  CHECK(decision.reason == Reason::MetricsMissing);
}

TEST_CASE("a logged answer replays to the same decision") {
  Script script = script_of(WebhookFailure::Hold);
  script.answer = answered(5);
  Snapshot const seen = script.snapshot();
  Settings const settings = script.settings;
  auto const record =
      log_record_from_json(*parse_json(to_json_text(log_record(settings, seen, Decision{}, at(100)))));
  REQUIRE(record.has_value());
  CHECK(record->settings == settings);
  CHECK(record->snapshot.answer == seen.answer);
}

TEST_CASE("a question holds the service, the settings and the snapshot, and no answer") {
  Script script = script_of(WebhookFailure::Hold);
  script.answer = answered(5);
  auto const asked = parse_json(question("a/b", script.settings, script.snapshot(), at(7)));
  REQUIRE(asked.has_value());
  auto const& object = asked->as_object();
  CHECK(object.at("version") == 1);
  CHECK(object.at("service") == "a/b");
  CHECK(object.at("now_ns") == 7'000'000'000);
  CHECK(object.at("settings").at("max_replicas") == 6);
  CHECK(object.at("snapshot").at("workers").as_array().size() == 2);
  CHECK_FALSE(object.at("snapshot").as_object().contains("answer"));
}

TEST_CASE("an answer is a count, a word and perhaps a sentence") {
  auto const full =
      read_answer(R"({"version":1,"replicas":3,"reason":"Rose","explanation":"a\nb","more":[]})");
  REQUIRE(full.has_value());
  CHECK(*full == Answer{3, "Rose", "a b", ""});
  CHECK(read_answer(R"({"replicas":4.0,"reason":"x-1","explanation":null})")->replicas == 4);
  CHECK(read_answer(R"({"replicas":0,"reason":"Idle"})")->replicas == 0);
}

TEST_CASE("an answer that cannot be meant names the key, its value and what is allowed") {
  struct Row {
    char const* text;
    char const* says;
  };
  for (Row const& row : {
           Row{"hello", "\"hello\" is not JSON"},
           Row{"", "\"\" is not JSON"},
           Row{"3", "\"3\" is not an object"},
           Row{R"({"reason":"x"})", "replicas is missing: it must be an integer in [0, 1000]"},
           Row{R"({"replicas":-1,"reason":"x"})", "replicas is \"-1\": it must be an integer in [0, 1000]"},
           Row{R"({"replicas":1001,"reason":"x"})", "replicas is \"1001\""},
           Row{R"({"replicas":2.5,"reason":"x"})", "replicas is \"2.5\""},
           Row{R"({"replicas":1e999,"reason":"x"})", "replicas"},
           Row{R"({"replicas":18446744073709551615,"reason":"x"})", "replicas is"},
           Row{R"({"replicas":"3","reason":"x"})", "integer in [0, 1000]"},
           Row{R"({"replicas":null,"reason":"x"})", "replicas is \"null\""},
           Row{R"({"replicas":true,"reason":"x"})", "replicas is \"true\""},
           Row{R"({"replicas":3})", "reason is missing: it must be one word"},
           Row{R"({"replicas":3,"reason":"two words"})", "one word"},
           Row{R"({"replicas":3,"reason":""})", "one word"},
           Row{R"({"replicas":3,"reason":7})", "one word"},
           Row{R"({"replicas":3,"reason":"x","explanation":7})", "explanation is \"7\""},
           Row{R"({"version":2,"replicas":3,"reason":"x"})", "version is \"2\": it must be 1"},
       }) {
    INFO(row.text);
    CHECK_THAT(complaint(row.text), Catch::Contains(row.says));
  }
  CHECK_THAT(complaint(R"({"replicas":3,"reason":")" + std::string(65, 'x') + "\"}"),
             Catch::Contains("64 letters"));
  CHECK_THAT(complaint(R"({"replicas":3,"reason":"x","explanation":")" + std::string(513, 'x') + "\"}"),
             Catch::Contains("512 bytes"));
  CHECK_THAT(complaint(std::string(20'000, '{')), Catch::Contains("at most 16384"));
}
