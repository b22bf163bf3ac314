#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "runtime/core/json.hpp"
#include "runtime/trace/exporter.hpp"

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
  auto const read = parse_json(trace::to_otlp({span}, {{"service.name", "s"}}));
  REQUIRE(read.has_value());
  auto const& resource = read->at("resourceSpans").at(0);
  CHECK(boost::json::serialize(resource.at("resource")) ==
        R"({"attributes":[{"key":"service.name","value":{"stringValue":"s"}}]})");
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
