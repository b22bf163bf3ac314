#include "operator/scrape/reading.hpp"

#include <catch2/catch.hpp>

#include "runtime/metrics/registry.hpp"

namespace scrape = ei::scrape;
using namespace std::chrono_literals;
using ei::SteadyTime;

namespace {

constexpr char const* kExposition = R"(# HELP dispatcher_queue_size Waiting requests
# TYPE dispatcher_queue_size gauge
dispatcher_queue_size 7
dispatcher_queue_capacity 1000
dispatcher_arrivals_total 120
dispatcher_completions_total 110
dispatcher_service_seconds_total 3.5
dispatcher_service_seconds_squared_total 0.25
dispatcher_in_flight 3
dispatcher_dropped_total{reason="full"} 8
dispatcher_dropped_total{reason="deadline"} 9
dispatcher_oldest_age_seconds 0.75
dispatcher_workers_by_output{output="scores"} 2
dispatcher_workers_by_output{output="probabilities"} 0
dispatcher_workers_by_output{output="another"} 9
dispatcher_workers_by_precision{precision="int8"} 3
dispatcher_workers_by_precision{precision="fp32"} 1
dispatcher_workers_by_precision{precision="fp8"} 9
dispatcher_int8_agreement 0.96875
dispatcher_workers_by_version{version="0123456789ab"} 2
dispatcher_workers_by_version{version="fedcba987654"} 3
dispatcher_workers_by_version{version="no digest"} 9
dispatcher_response_time_seconds_bucket{endpoint="/predict",le="0.1"} 50
dispatcher_response_time_seconds_bucket{endpoint="/predict",le="+Inf"} 60
dispatcher_response_time_seconds_bucket{endpoint="/v2/models/{model}/infer",le="0.1"} 5
dispatcher_response_time_seconds_bucket{endpoint="/v2/models/{model}/infer",le="+Inf"} 5
dispatcher_response_time_seconds_bucket{endpoint="/inference.GRPCInferenceService/ModelInfer",le="0.1"} 1
dispatcher_response_time_seconds_bucket{endpoint="/inference.GRPCInferenceService/ModelInfer",le="+Inf"} 2
dispatcher_response_time_seconds_bucket{endpoint="/inference.GRPCInferenceService/ServerLive",le="+Inf"} 9000
dispatcher_response_time_seconds_bucket{endpoint="/healthz",le="0.1"} 9000
dispatcher_response_time_seconds_bucket{endpoint="/healthz",le="+Inf"} 9000
)";

double const kInf = std::numeric_limits<double>::infinity();
SteadyTime const kStart{1h};

/// Buckets with so many answers up to 0.1 s, 0.5 s, 1 s and above.
scrape::Buckets buckets(double tenth, double half, double one, double all) {
  return {{0.1, tenth}, {0.5, half}, {1.0, one}, {kInf, all}};
}

}  // namespace

TEST_CASE("A dispatcher's load is read off its exposition, health checks left out") {
  auto const reading = scrape::read_exposition(kExposition);
  REQUIRE(reading.has_value());
  CHECK(reading->queue == 7);
  CHECK(reading->refused == 8);
  CHECK(reading->arrivals == 120);
  CHECK(reading->completions == 110);
  CHECK(reading->service_seconds == 3.5);
  CHECK(reading->service_seconds_squared == 0.25);
  CHECK(reading->in_flight == 3);
  CHECK(reading->oldest_age_seconds == 0.75);
  CHECK(reading->answers == scrape::Buckets{{0.1, 56}, {kInf, 67}});
}

TEST_CASE("The kind of output is what most workers of all dispatchers have") {
  auto const reading = scrape::read_exposition(kExposition);
  REQUIRE(reading.has_value());
  CHECK(reading->outputs == std::map<std::string, double>{{"scores", 2}, {"probabilities", 0}});
  scrape::Reading other;
  other.outputs = {{"scores", 1}, {"probabilities", 4}};
  CHECK(scrape::usual_output({*reading}) == "scores");
  CHECK(scrape::usual_output({*reading, other}) == "probabilities");
  CHECK(scrape::usual_output({}).empty());
  other.outputs = {{"scores", 0}};
  CHECK(scrape::usual_output({other}).empty());
  CHECK(reading->precisions == std::map<std::string, double>{{"int8", 3}, {"fp32", 1}});
  other.precisions = {{"fp32", 5}};
  CHECK(scrape::usual_precision({*reading}) == "int8");
  CHECK(scrape::usual_precision({*reading, other}) == "fp32");
  CHECK_FALSE(scrape::least_agreement({other}));
  CHECK(scrape::least_agreement({*reading, other}) == 0.96875);
  other.agreement = 0.5;
  CHECK(scrape::least_agreement({*reading, other}) == 0.5);
}

TEST_CASE("The weights are those that most workers answer with, each linked to every dispatcher") {
  auto const reading = scrape::read_exposition(kExposition);
  REQUIRE(reading.has_value());
  CHECK(reading->versions == std::map<std::string, double>{{"0123456789ab", 2}, {"fedcba987654", 3}});
  CHECK(scrape::usual_version({}).empty());
  CHECK(scrape::mixed_versions({}).empty());
  CHECK(scrape::usual_version({*reading, *reading}) == "fedcba987654");
  CHECK(scrape::mixed_versions({*reading, *reading}) ==
        "3 workers answer with the weights fedcba987654 and 2 with 0123456789ab");
  scrape::Reading other;
  other.versions = {{"0123456789ab", 1}, {"fedcba987654", 0}};
  CHECK(scrape::usual_version({other}) == "0123456789ab");
  CHECK(scrape::mixed_versions({other}).empty());
  other.versions = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}};
  CHECK(scrape::mixed_versions({other}) ==
        "1 worker answers with the weights a, 1 with b, 1 with c and others with others");
}

TEST_CASE("An exposition that lacks a needed metric is no data, not zero") {
  std::string text = kExposition;
  text.erase(text.find("dispatcher_arrivals_total"), std::string("dispatcher_arrivals_total 120\n").size());
  auto const reading = scrape::read_exposition(text);
  REQUIRE(reading.has_error());
  CHECK(reading.error().message == "the metrics lack dispatcher_arrivals_total");
  CHECK(scrape::read_exposition("").has_error());
  CHECK(scrape::read_exposition("<html>").has_error());
}

TEST_CASE("An amount that can be none is refused by name, and so is a bound that is no number") {
  auto const with = [](std::string const& from, std::string const& to) {
    std::string text = kExposition;
    text.replace(text.find(from), from.size(), to);
    return scrape::read_exposition(text);
  };
  for (std::string const value : {"NaN", "+Inf", "-1"}) {
    INFO(value);
    auto const reading = with("dispatcher_queue_size 7", "dispatcher_queue_size " + value);
    REQUIRE(reading.has_error());
    CHECK(reading.error().kind == ei::ErrorKind::Protocol);
    CHECK(reading.error().message.find("dispatcher_queue_size") != std::string::npos);
    CHECK(with("le=\"0.1\"} 50", "le=\"0.1\"} " + value).has_error());
  }
  for (std::string const bound : {"nan", "-Inf", "0x1", " 0.1", "0.1s", ""}) {
    INFO(bound);
    CHECK(with("{endpoint=\"/predict\",le=\"0.1\"}", "{endpoint=\"/predict\",le=\"" + bound + "\"}")
              .has_error());
  }
}

TEST_CASE("Dispatchers are summed, and of ages the oldest counts") {
  scrape::Reading one = *scrape::read_exposition(kExposition);
  scrape::Reading two = one;
  two.oldest_age_seconds = 2;
  auto const total = scrape::sum({one, two}, {"a", "b"}, kStart);
  CHECK(total.arrivals == 240);
  CHECK(total.queue == 14);
  CHECK(total.oldest_age_seconds == 2);
  CHECK(total.at == kStart);
  CHECK(scrape::sum_answers({one, two}).at(0.1) == 112);
}

TEST_CASE("Late answers are those beyond the target, its bucket divided") {
  struct Row {
    scrape::Buckets answers;
    double target_seconds;
    double late;
    char const* why;
  };
  for (Row const& row : {
           Row{{}, 0.5, 0, "nothing was answered"},
           Row{buckets(50, 90, 96, 100), 0.5, 10, "a target that is a bound"},
           Row{buckets(50, 90, 96, 100), 0.75, 7, "half way through a bucket"},
           Row{buckets(50, 90, 96, 100), 0.05, 75, "half way through the first"},
           Row{buckets(50, 90, 96, 100), 20, 4, "beyond the last bound: what lies beyond it"},
       }) {
    INFO(row.why);
    CHECK(scrape::late_answers(row.answers, row.target_seconds) == Approx(row.late));
  }
}

TEST_CASE("The epoch names the set of processes, whatever their order") {
  auto const epoch = [](std::vector<std::string> names) { return scrape::sum({}, names, kStart).epoch; };
  CHECK(epoch({"a", "b"}) == epoch({"b", "a"}));
  CHECK(epoch({"a", "b"}) != epoch({"a", "c"}));
  CHECK(epoch({"a"}) != epoch({"a", "b"}));
  CHECK(epoch({"ab"}) != epoch({"a", "b"}));
}

TEST_CASE("The 99th percentile is that of the last ten seconds") {
  scrape::LatencyWindow window;
  CHECK_FALSE(window.quantile(0.99));
  // A thousand fast answers long ago do not hide slow ones now.
  window.add(kStart, buckets(1000, 1000, 1000, 1000), 1);
  window.add(kStart + 10s, buckets(1000, 1000, 1000, 1000), 1);
  CHECK_FALSE(window.quantile(0.99));
  window.add(kStart + 20s, buckets(1000, 1000, 1100, 1100), 1);
  CHECK(*window.quantile(0.99) == 995ms);
}

TEST_CASE("The median is the latency that half of the answers kept") {
  scrape::LatencyWindow window;
  window.add(kStart, buckets(0, 0, 0, 0), 1);
  window.add(kStart + 1s, buckets(100, 100, 100, 100), 1);
  CHECK(*window.quantile(0.5) == 50ms);
}

TEST_CASE("The percentile is interpolated within its bucket") {
  scrape::LatencyWindow window;
  window.add(kStart, buckets(0, 0, 0, 0), 1);
  window.add(kStart + 1s, buckets(98, 100, 100, 100), 1);
  CHECK(*window.quantile(0.99) == 300ms);
}

TEST_CASE("The percentile of the project's own buckets is at most half too high from 50 ms to 60 s") {
  for (double const latency_seconds :
       {0.06, 0.11, 0.22, 0.35, 0.55, 0.9, 1.4, 3.0, 6.0, 11.0, 14.0, 18.0, 28.0, 45.0}) {
    scrape::Buckets answers{{kInf, 1000}};
    for (double const upper : ei::metrics::latency_buckets())
      answers[upper] = latency_seconds <= upper ? 1000 : 0;
    scrape::LatencyWindow window;
    window.add(kStart, answers, 1);
    INFO(latency_seconds);
    double const read = static_cast<double>(window.quantile(0.99)->count()) / 1000 / latency_seconds;
    CHECK(read >= 1 - 1e-3);
    CHECK(read <= 1.5);
  }
}

TEST_CASE("Answers beyond the last bound read as that bound") {
  scrape::LatencyWindow window;
  window.add(kStart, buckets(0, 0, 0, 0), 1);
  window.add(kStart + 1s, buckets(0, 0, 0, 10), 1);
  CHECK(*window.quantile(0.99) == 1s);
}

TEST_CASE("Other dispatchers begin a new window") {
  scrape::LatencyWindow window;
  window.add(kStart, buckets(1000, 1000, 1000, 1000), 1);
  window.add(kStart + 1s, buckets(10, 10, 10, 10), 2);
  CHECK(*window.quantile(0.99) == 99ms);
}

TEST_CASE(
    "Pictures in quarantine are read where a dispatcher counts them, and are not missed where it does not") {
  CHECK(scrape::read_exposition(kExposition)->quarantined == 0);
  CHECK(scrape::read_exposition(std::string(kExposition) + "dispatcher_quarantined_total 3\n")->quarantined ==
        3);
}

TEST_CASE(
    "Quarantines are news once a minute, whichever dispatcher counts them and however often it restarts") {
  scrape::QuarantineNews news;
  news.add({{"a", 5}});
  CHECK(news.due(kStart) == 0);  // told by the operator before this one
  news.add({{"a", 6}, {"b", 2}});
  CHECK(news.due(kStart) == 3);
  CHECK(news.due(kStart) == 3);  // until it was told
  news.told(kStart);
  CHECK(news.due(kStart) == 0);
  news.add({{"a", 7}});
  CHECK(news.due(kStart + 59s) == 0);
  CHECK(news.due(kStart + 60s) == 1);
  news.add({{"c", 4}});  // it counts from zero
  CHECK(news.due(kStart + 60s) == 5);
}
