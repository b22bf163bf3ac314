#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>

#include "runtime/metrics/parser.hpp"
#include "runtime/metrics/registry.hpp"
#include "runtime/metrics/requests.hpp"

using namespace ei;
using namespace ei::metrics;

namespace {

/// The value of the first sample called `name` that carries at least `labels`.
std::optional<double> find_value(std::vector<Sample> const& samples, std::string_view name,
                                 std::map<std::string, std::string> const& labels = {}) {
  for (Sample const& sample : samples) {
    bool const matches = std::all_of(labels.begin(), labels.end(), [&](auto const& wanted) {
      auto const found = sample.labels.find(wanted.first);
      return found != sample.labels.end() && found->second == wanted.second;
    });
    if (sample.name == name && matches) return sample.value;
  }
  return {};
}

}  // namespace

TEST_CASE("what the registry exposes the parser reads back") {
  Registry registry;
  registry.counter("requests_total", "Requests", {{"path", "/a\"b\\c\nd"}}).Increment(3);
  registry.gauge("depth", "Depth").Set(2.5);
  registry.histogram("seconds", "Seconds", {0.1, 1}).Observe(0.5);
  auto const samples = parse_exposition(registry.exposition());
  REQUIRE(samples.has_value());
  CHECK(find_value(*samples, "requests_total", {{"path", "/a\"b\\c\nd"}}) == 3);
  CHECK(find_value(*samples, "depth") == 2.5);
  CHECK(find_value(*samples, "seconds_bucket", {{"le", "0.1"}}) == 0);
  CHECK(find_value(*samples, "seconds_bucket", {{"le", "+Inf"}}) == 1);
  CHECK(find_value(*samples, "seconds_sum") == 0.5);
  CHECK_FALSE(find_value(*samples, "depth", {{"no", "label"}}).has_value());
}

TEST_CASE("the same name and labels give the same handle") {
  Registry registry;
  CHECK(&registry.counter("a_total", "A", {{"x", "1"}}) == &registry.counter("a_total", "A", {{"x", "1"}}));
  CHECK(&registry.counter("a_total", "A", {{"x", "1"}}) != &registry.counter("a_total", "A", {{"x", "2"}}));
}

TEST_CASE("the exposition's own example is understood") {
  // From Prometheus's description of the text format.
  std::string const text = R"(# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045

# Finally a summary:
rpc_duration_seconds{quantile="0.01",} 3102
rpc_duration_seconds_count 2693
)";
  auto const samples = parse_exposition(text);
  REQUIRE(samples.has_value());
  REQUIRE(samples->size() == 7);
  CHECK(samples->at(0).timestamp_ms == 1395066363000);
  CHECK(samples->at(2).labels.at("error") == "Cannot find file:\n\"FILE.TXT\"");
  CHECK(std::isinf(samples->at(4).value));
  CHECK(samples->at(4).timestamp_ms == -3982045);
}

TEST_CASE("special values are read whatever their case") {
  auto const samples = parse_exposition("a NaN\nb -Inf\nc +Inf\nd nan\ne 1e-3\r\n  f 7");
  REQUIRE(samples.has_value());
  CHECK(std::isnan(*find_value(*samples, "a")));
  CHECK(*find_value(*samples, "b") == -std::numeric_limits<double>::infinity());
  CHECK(*find_value(*samples, "c") == std::numeric_limits<double>::infinity());
  CHECK(std::isnan(*find_value(*samples, "d")));
  CHECK(*find_value(*samples, "e") == Approx(0.001));
  CHECK(*find_value(*samples, "f") == 7);
}

TEST_CASE("a fault is reported with its line") {
  struct Row {
    std::string line;
    std::string why;
  };
  for (Row const& row : {Row{"1abc 2", "a name cannot start with a digit"}, Row{"a", "no value"},
                         Row{"a x", "value is no number"}, Row{"a 1 2 3", "more than a timestamp"},
                         Row{"a 1 soon", "timestamp is no number"}, Row{"a{b} 1", "label without value"},
                         Row{"a{b=c} 1", "value not quoted"}, Row{"a{b=\"c} 1", "quote not closed"},
                         Row{"a{b=\"c\" d=\"e\"} 1", "no comma"}, Row{"a{b=\"c\",b=\"d\"} 1", "label twice"},
                         Row{"a{b=\"c\" 1", "brace not closed"}, Row{"a --1", "two signs"},
                         Row{"a 0x10", "hexadecimal"}, Row{"<html>", "not metrics at all"}}) {
    INFO(row.line << ": " << row.why);
    auto const samples = parse_exposition("ok 1\n# comment\n" + row.line + "\n");
    REQUIRE_FALSE(samples.has_value());
    CHECK(samples.error().kind == ErrorKind::Invalid);
    CHECK(samples.error().message.starts_with("line 3: "));
  }
}

TEST_CASE("a bucket's bound is a number that has a place in an order") {
  struct Row {
    std::string bound;
    bool fine;
  };
  for (Row const& row :
       {Row{"0.5", true}, Row{"+Inf", true}, Row{"Inf", true}, Row{"1e-3", true}, Row{"-1", true},
        Row{"nan", false}, Row{"NaN", false}, Row{"-nan", false}, Row{"nan(0x7)", false}, Row{"-Inf", false},
        Row{"0x1p3", false}, Row{"", false}, Row{" 1", false}, Row{"1 ", false}, Row{"1,5", false},
        Row{"1e999", false}, Row{"+-1", false}}) {
    INFO(row.bound);
    CHECK(parse_exposition("a_bucket{le=\"" + row.bound + "\"} 1\n").has_value() == row.fine);
    CHECK(parse_exposition("a{le=\"" + row.bound + "\"} 1\n").has_value());
  }
}

TEST_CASE("one sample has a bounded size") {
  std::string labels;
  for (std::size_t i = 0; i <= kMaxLabels; ++i) labels += "l" + std::to_string(i) + "=\"x\",";
  CHECK_FALSE(parse_exposition("a{" + labels + "} 1\n").has_value());
  CHECK_FALSE(parse_exposition("a{b=\"" + std::string(kMaxLineBytes, 'x') + "\"} 1\n").has_value());
  CHECK_FALSE(parse_exposition("a nan(1)\n").has_value());
}

TEST_CASE("a hostile number of samples is refused") {
  std::string text;
  for (std::size_t i = 0; i <= kMaxSamples; ++i) text += "a 1\n";
  auto const samples = parse_exposition(text);
  REQUIRE_FALSE(samples.has_value());
  CHECK(samples.error().kind == ErrorKind::Protocol);
}

TEST_CASE("answers are counted by few series, whatever methods and paths clients make up") {
  Registry registry;
  RequestMetrics requests(registry, {"answers_total", "Answers."}, {"answer_seconds", "Seconds."});
  requests.answered("POST", "/predict", 200, std::chrono::milliseconds(20));
  requests.answered("POST", "/predict", 200, std::chrono::milliseconds(30));
  requests.answered("BREW", "", 404, std::chrono::milliseconds(1));
  requests.answered("JOB", "", 404, std::chrono::milliseconds(1));
  requests.count("JOB", "link", 500, std::chrono::milliseconds(5));
  auto const samples = parse_exposition(registry.exposition());
  REQUIRE(samples.has_value());
  auto const answers = [&](char const* method, char const* route, char const* status) {
    return find_value(*samples, "answers_total",
                      {{"method", method}, {"endpoint", route}, {"status", status}});
  };
  CHECK(answers("POST", "/predict", "200") == 2);
  CHECK(answers("other", "other", "404") == 2);
  CHECK(answers("JOB", "link", "500") == 1);
  CHECK(find_value(*samples, "answer_seconds_count", {{"endpoint", "/predict"}}) == 2);
  CHECK(find_value(*samples, "answer_seconds_sum", {{"endpoint", "/predict"}}).value() == Approx(0.05));
}
