#include "bench/load/report.hpp"

#include <catch2/catch.hpp>

namespace {

using namespace ei::bench;
using namespace std::chrono_literals;

Finished answered(std::chrono::nanoseconds intended, std::chrono::nanoseconds sent,
                  std::chrono::nanoseconds ended) {
  Finished finished;
  finished.intended = intended;
  finished.sent = sent;
  finished.ended = ended;
  finished.status = 200;
  return finished;
}

Finished failed(std::chrono::nanoseconds intended, std::chrono::nanoseconds ended, int status,
                std::string fault) {
  Finished finished = answered(intended, intended, ended);
  finished.status = status;
  finished.fault = std::move(fault);
  return finished;
}

TEST_CASE("latency counts from the intended time, not from the time of sending") {
  Report report;
  report.add(answered(1s, 3s, 3100ms));
  CHECK(report.latency().max() == 2100ms);
  CHECK(report.summary().at("send_delay_p99_ms").as_double() == 2000);
}

TEST_CASE("a timeout counts as a latency, a refusal does not") {
  Report report;
  report.add(answered(0s, 0s, 10ms));
  report.add(failed(0s, 30s, 0, kTimedOut));
  report.add(failed(0s, 1ms, 429, "http_429"));
  CHECK(report.latency().count() == 2);
  CHECK(report.latency().max() == 30s);
  CHECK(report.ok() == 1);
  CHECK(report.errors() == 2);
  CHECK(report.faults().at("http_429") == 1);
}

TEST_CASE("a second's line speaks of the requests meant for it, and of the answers that arrived in it") {
  Report report;
  report.add(answered(200ms, 200ms, 300ms));
  report.add(answered(900ms, 900ms, 2400ms));
  report.add(failed(2100ms, 2200ms, 503, "http_503"));
  CHECK(report.seconds_csv() ==
        "second,offered,completed,ok,errors,p50_ms,p99_ms,max_ms\n"
        "0,2,1,2,0,100.031,1500.000,1500.000\n"
        "1,0,0,0,0,,,\n"
        "2,1,2,0,1,,,\n");
}

TEST_CASE("accuracy is of the answers whose label is known, and null without any") {
  Report report;
  report.add(answered(0s, 0s, 10ms));
  CHECK_FALSE(report.accuracy());
  CHECK(report.summary().at("accuracy").is_null());
  Finished labelled = answered(0s, 0s, 10ms);
  for (bool const right : {true, true, true, false}) {
    labelled.right = right;
    report.add(labelled);
  }
  CHECK(report.accuracy() == 0.75);
  CHECK(report.summary().at("labelled").as_uint64() == 4);
}

TEST_CASE("a run without any request has a summary") {
  auto const summary = Report().summary();
  CHECK(summary.at("requests").as_uint64() == 0);
  CHECK(summary.at("p99_ms").as_double() == 0);
}

TEST_CASE("a request's line quotes what a comma would split and leaves empty what is not known") {
  Finished finished = answered(1500ms, 1501ms, 1750ms);
  finished.number = 7;
  finished.label = "half, moon";
  finished.right = false;
  CHECK(requests_csv_line(finished, "a.jpg") ==
        "7,a.jpg,1.500000,1.501000,1.750000,250.000,200,,\"half, moon\",0\n");
  Finished unsent = failed(1s, 2s, 0, kTimedOut);
  unsent.sent.reset();
  CHECK(requests_csv_line(unsent, "a \"b\".jpg") ==
        "0,\"a \"\"b\"\".jpg\",1.000000,,2.000000,1000.000,0,timeout,,\n");
}

}  // namespace
