#include "dispatcher/contract/answer/answer.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "runtime/core/json.hpp"

using namespace ei;
using namespace ei::dispatcher;
using namespace std::chrono_literals;

TEST_CASE("an error becomes a problem that both HTTP and inference protocol clients read") {
  Error error = status_error(429, "the \"queue\" is full");
  error.retry_after = 1500ms;
  auto const response = problem_of(error);
  CHECK(response.status == 429);
  CHECK(response.headers.get("Content-Type") == "application/problem+json");
  CHECK(response.headers.get("Retry-After") == "2");
  CHECK(parse_json(response.body).value() == boost::json::value({{"type", "about:blank"},
                                                                 {"title", "Too Many Requests"},
                                                                 {"status", 429},
                                                                 {"detail", "the \"queue\" is full"},
                                                                 {"error", "the \"queue\" is full"}}));
  CHECK(problem_of(status_error(415, "x")).headers.get("Accept") == "image/jpeg, image/png");
  CHECK(problem_of(make_error(ErrorKind::Io, "x")).status == 500);
}

TEST_CASE("a problem that quotes bytes that are no text is JSON all the same") {
  auto const body = parse_json(problem_of(status_error(404, "there is no model \"\xff\"")).body);
  REQUIRE(body.has_value());
  CHECK(string_or(*body, "detail") == "there is no model \"\uFFFD\"");
  CHECK(string_or(*body, "error") == "there is no model \"\uFFFD\"");
}

TEST_CASE("a prediction says the best label for people, and all of them for programs") {
  std::vector<link::Prediction> const predictions{{"tabby", 281, 0.93149}, {"tiger cat", 282, 0.0123456789}};
  auto const answer =
      prediction_answer(predictions, "0123456789ab", {{"queue_ms", 1.2345678}, {"total_ms", 0}}, 7);
  CHECK(answer.status == 200);
  CHECK(answer.headers.get("Content-Type") == "application/json");
  CHECK(answer.body == R"({"prediction":"tabby: 93.1%","queue_size":7,)"
                       R"("top":[{"label":"tabby","index":281,"probability":0.93149},)"
                       "{\"label\":\"tiger cat\",\"index\":282,\"probability\":0.012346}],"
                       R"("model_version":"0123456789ab",)"
                       R"("timing":{"queue_ms":1.235,"total_ms":0}})");
}

TEST_CASE("a worker that is asked directly has no queue to report") {
  auto const body = parse_json(prediction_answer({{"tabby", 281, 1}}, "1", {}).body);
  REQUIRE(body.has_value());
  CHECK(string_or(*body, "prediction") == "tabby: 100.0%");
  CHECK_FALSE(find_member(*body, "queue_size"));
}
