#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "runtime/core/json.hpp"
#include "runtime/trace/settings.hpp"
#include "runtime/trace/verdict.hpp"

using namespace ei;
using namespace std::chrono_literals;

TEST_CASE("a span is written as OTLP's JSON has it") {
  trace::Span span;
  span.trace_id = "0af7651916cd43dd8448eb211c80319c";
  span.span_id = "b7ad6b7169203331";
  span.parent_id = "00f067aa0ba902b7";
  span.name = "POST /predict";
  span.kind = trace::Kind::Server;
  span.start = WallTime(1'700'000'000s);
  span.end = span.start + 1500ms;
  span.attributes = {{"text", "a"}, {"number", std::int64_t{5}}, {"part", 0.5}};
  span.failed = true;
  auto const read = parse_json(trace::to_otlp({trace::to_otlp(span), "{}"}, {{"service.name", "s"}}));
  REQUIRE(read.has_value());
  auto const& resource = read->at("resourceSpans").at(0);
  CHECK(boost::json::serialize(resource.at("resource")) ==
        R"({"attributes":[{"key":"service.name","value":{"stringValue":"s"}}]})");
  CHECK(resource.at("scopeSpans").at(0).at("spans").as_array().size() == 2);
  CHECK(
      boost::json::serialize(resource.at("scopeSpans").at(0).at("spans").at(0)) ==
      R"({"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"POST /predict",)"
      R"("kind":2,"startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000001500000000",)"
      R"("attributes":[{"key":"text","value":{"stringValue":"a"}},{"key":"number","value":{"intValue":"5"}},)"
      R"({"key":"part","value":{"doubleValue":5E-1}}],"parentSpanId":"00f067aa0ba902b7","status":{"code":2}})");
}

TEST_CASE("an endpoint is a collector's URL without the path of traces") {
  CHECK(trace::traces_url("http://collector:4318")->to_string() == "http://collector:4318/v1/traces");
  CHECK(trace::traces_url("https://collector/otlp/")->to_string() == "https://collector/otlp/v1/traces");
  for (char const* bad :
       {"", "collector:4318", "grpc://collector:4317", "ws://collector", "http://", "http://c/?a=1"})
    CHECK_FALSE(trace::traces_url(bad).has_value());
}

TEST_CASE("headers and attributes are read as OpenTelemetry's variables have them") {
  CHECK(trace::parse_headers(" Authorization = Basic%20YTpi , x-scope=a,,").value() ==
        http::Headers{{"Authorization", "Basic YTpi"}, {"x-scope", "a"}});
  CHECK(trace::parse_headers("")->empty());
  CHECK(trace::parse_headers("token=a=b")->get("token") == "a=b");
  CHECK(trace::parse_attributes("deployment.environment.name=caf%C3%A9,x=").value() ==
        trace::Attributes{{"deployment.environment.name", std::string("café")}, {"x", std::string()}});
}

TEST_CASE("a bad header is told by its place, and its value not at all") {
  struct Row {
    char const* text;
    char const* fault;
  };
  for (auto const& [text, fault] : {
           Row{"a=b,s3cret", "part 2 has no '='"},
           Row{"a=s3cret%2", "part 1 is not percent-encoded"},
           Row{"a b=s3cret", "no header can have"},
           Row{"=s3cret", "no header can have"},
           Row{"a=s3cret%0d%0aHost:%20x", "no header can have"},
           Row{"Content-Length=s3cret", "set here already"},
           Row{"host=s3cret", "set here already"},
       }) {
    INFO(text);
    auto const read = trace::parse_headers(text);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().message.find(fault) != std::string::npos);
    CHECK(read.error().message.find("s3cret") == std::string::npos);
  }
  CHECK_FALSE(trace::parse_attributes("=a").has_value());
  CHECK_FALSE(trace::parse_attributes("a=%ff").has_value());
}

namespace {

Result<http::Response> answer(int status, http::Headers headers = {}, std::string body = "") {
  return http::Response{status, std::move(headers), std::move(body)};
}

}  // namespace

TEST_CASE("spans are sent again where OTLP says so") {
  for (int const status : {429, 502, 503, 504}) CHECK(trace::judge(answer(status), 1, 0.5).again == 1s);
  for (int const status : {301, 400, 401, 404, 408, 413, 500, 501, 505}) {
    auto const verdict = trace::judge(answer(status), 1, 0.5);
    INFO(status);
    CHECK_FALSE(verdict.taken);
    CHECK_FALSE(verdict.again.has_value());
    CHECK(verdict.fault.find(std::to_string(status)) != std::string::npos);
  }
  Result<http::Response> const away = make_error(ErrorKind::Unavailable, "refused");
  Result<http::Response> const late = make_error(ErrorKind::Timeout, "no answer");
  Result<http::Response> const odd = make_error(ErrorKind::Protocol, "no HTTP");
  CHECK(trace::judge(away, 1, 0.5).again.has_value());
  CHECK(trace::judge(late, 1, 0.5).again.has_value());
  CHECK_FALSE(trace::judge(odd, 1, 0.5).again.has_value());
}

TEST_CASE("the pauses between attempts grow, and a collector's wish counts before them") {
  CHECK(trace::judge(answer(503), 1, 0).again == 800ms);
  CHECK(trace::judge(answer(503), 1, 1).again == 1200ms);
  CHECK(trace::judge(answer(503), 2, 0.5).again == 1500ms);
  CHECK(trace::judge(answer(503), 4, 0.5).again == 3375ms);
  CHECK_FALSE(trace::judge(answer(503), trace::kAttempts, 0.5).again.has_value());
  CHECK(trace::judge(answer(429, {{"Retry-After", "7"}}), 1, 0.5).again == 7s);
  CHECK(trace::judge(answer(429, {{"Retry-After", "0"}}), 1, 0.5).again == 0s);
  CHECK(trace::judge(answer(429, {{"Retry-After", "80000"}}), 1, 0.5).again == trace::kLongestWish);
  CHECK(trace::judge(answer(429, {{"Retry-After", "Sat, 28 Nov 2026"}}), 1, 0.5).again == 1s);
}

TEST_CASE("a collector may take some spans and say which not") {
  auto const some = trace::judge(
      answer(200, {}, R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}})"), 1, 0.5);
  CHECK(some.taken);
  CHECK_FALSE(some.again.has_value());
  CHECK(some.rejected == 3);
  CHECK(some.fault == "too old");
  auto const warned =
      trace::judge(answer(200, {}, R"({"partialSuccess":{"errorMessage":"slow down"}})"), 1, 0.5);
  CHECK((warned.rejected == 0 && warned.fault == "slow down"));
  CHECK(trace::judge(answer(200, {}, R"({"partialSuccess":{"rejectedSpans":2}})"), 1, 0.5).rejected == 2);
  for (char const* body : {"", "{}", "[]", "no JSON", R"({"partialSuccess":{"rejectedSpans":-1}})",
                           R"({"partialSuccess":{"rejectedSpans":"x"}})", R"({"partialSuccess":3})"}) {
    INFO(body);
    auto const all = trace::judge(answer(200, {}, body), 1, 0.5);
    CHECK((all.taken && all.rejected == 0 && all.fault.empty()));
  }
}
