#include "operator/backend/kube/protocol/watch_event.hpp"

#include "runtime/core/json.hpp"

#include <catch2/catch.hpp>

using namespace ei::kube;
using ei::ErrorKind;

TEST_CASE("watch lines carry the event and the object") {
  auto const line = parse_watch_line(
      R"({"type":"MODIFIED","object":{"kind":"Pod","metadata":{"name":"a","resourceVersion":"12"}}})");
  REQUIRE(line.has_value());
  auto const& event = std::get<watch::EventArrived>(line->input);
  CHECK(event.type == watch::EventType::Modified);
  CHECK(event.resource_version == "12");
  CHECK_FALSE(event.initial_events_end);
  CHECK(line->object.at("kind") == "Pod");
}

TEST_CASE("only the annotated bookmark ends the initial events") {
  auto const plain = parse_watch_line(R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}})");
  auto const marked = parse_watch_line(
      R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5","annotations":{"k8s.io/initial-events-end":"true"}}}})");
  CHECK_FALSE(std::get<watch::EventArrived>(plain->input).initial_events_end);
  CHECK(std::get<watch::EventArrived>(marked->input).initial_events_end);
}

TEST_CASE("an ERROR line becomes the failure it describes") {
  auto const line = parse_watch_line(
      R"({"type":"ERROR","object":{"kind":"Status","status":"Failure","message":"too old resource version","reason":"Expired","code":410}})");
  auto const& error = std::get<watch::Failed>(line->input).error;
  CHECK(error.kind == ErrorKind::Gone);
  CHECK(error.http_status == 410);
}

TEST_CASE("lines that are no events are a broken protocol") {
  for (auto const* text : {"", "{", "[]", "{\"type\":\"ADDED\"}", "{\"type\":\"SURPRISE\",\"object\":{}}",
                           "{\"type\":\"ADDED\",\"object\":[]}"}) {
    INFO(text);
    auto const line = parse_watch_line(text);
    REQUIRE_FALSE(line.has_value());
    CHECK(line.error().kind == ErrorKind::Protocol);
  }
}

TEST_CASE("statuses map by reason, then by code") {
  struct Row {
    char const* reason;
    int code;
    ErrorKind kind;
    char const* why;
  };
  for (auto const& row : {
           Row{"AlreadyExists", 409, ErrorKind::AlreadyExists, "409 means two things"},
           Row{"Conflict", 409, ErrorKind::Conflict, "409 means two things"},
           Row{"Invalid", 422, ErrorKind::Invalid, "schema"},
           Row{"", 422, ErrorKind::Invalid, "no reason: the code"},
           Row{"", 503, ErrorKind::Unavailable, "server trouble"},
           Row{"Timeout", 504, ErrorKind::Timeout, "server trouble"},
           Row{"Expired", 410, ErrorKind::Gone, "too old"},
           Row{"NewReason", 403, ErrorKind::Forbidden, "unknown reason: the code"},
       }) {
    INFO(row.why);
    boost::json::value const body{{"kind", "Status"},
                                  {"status", "Failure"},
                                  {"reason", row.reason},
                                  {"code", row.code},
                                  {"message", "m"}};
    auto const error = error_from_status(body);
    REQUIRE(error.has_value());
    CHECK(error->kind == row.kind);
  }
  boost::json::value const slow{{"kind", "Status"},
                                {"status", "Failure"},
                                {"reason", "TooManyRequests"},
                                {"code", 429},
                                {"details", {{"retryAfterSeconds", 3}}}};
  CHECK(error_from_status(slow)->retry_after == std::chrono::seconds(3));
  CHECK_FALSE(error_from_status({{"kind", "Status"}, {"status", "Success"}}).has_value());
  CHECK_FALSE(error_from_status({{"kind", "Pod"}}).has_value());
}
