#include "bench/hpa/filter.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace ei::bench;

namespace {

HpaFilterSettings target(int percent) {
  HpaFilterSettings settings;
  settings.hpa.target_percent = percent;
  return settings;
}

std::string line(double time_s, int current, std::string const& pods) {
  return R"({"time_s":)" + std::to_string(time_s) + R"(,"current":)" + std::to_string(current) +
         R"(,"pods":[)" + pods + "]}";
}

/// Ready for ten minutes before the clock starts.
std::string measured(int millicores, double time_s) {
  return R"({"name":"a","ready":true,"started_s":-600,"transition_s":-590,"cpu_millicores":)" +
         std::to_string(millicores) + R"(,"metrics_time_s":)" + std::to_string(time_s) + R"(,"window_s":15})";
}

/// One core from its start on, and ready five seconds later.
std::string counted(std::string const& name, double started_s, double time_s) {
  return R"({"name":")" + name + R"(","ready":true,"started_s":)" + std::to_string(started_s) +
         R"(,"transition_s":)" + std::to_string(started_s + 5) + R"(,"cpu_seconds_total":)" +
         std::to_string(time_s - started_s) + "}";
}

}  // namespace

TEST_CASE("it answers at each sync, and nothing between") {
  HpaFilterSettings settings = target(50);
  settings.phase = std::chrono::seconds(4);
  HpaFilter filter(settings);
  std::vector<HpaAnswer> answers;
  for (int second = 0; second <= 20; ++second) {
    auto const answer = filter.feed(line(second, 1, measured(1000, second)));
    REQUIRE(answer.has_value());
    if (*answer) answers.push_back(**answer);
  }
  CHECK(answers == std::vector<HpaAnswer>{{4, 2, 2}, {19, 2, 2}});
}

TEST_CASE("the first line is a sync only where a sync falls on it") {
  struct Row {
    double first_s;
    bool sync;
    char const* why;
  };
  Row const rows[] = {
      {4, true, "on the phase"},
      {-11, true, "one sync before it"},
      {5, false, "just after one"},
      {-10.5, false, "times before the trace count on"},
  };
  for (Row const& row : rows) {
    INFO(row.why);
    HpaFilterSettings settings = target(70);
    settings.phase = std::chrono::seconds(4);
    HpaFilter filter(settings);
    auto const answer = filter.feed(line(row.first_s, 1, measured(700, row.first_s)));
    REQUIRE(answer.has_value());
    CHECK(answer->has_value() == row.sync);
  }
}

TEST_CASE("a sync without a line comes with the next line, once") {
  HpaFilter filter(target(70));
  REQUIRE(filter.feed(line(0, 1, measured(700, 0))).has_value());
  auto const late = filter.feed(line(47, 1, measured(700, 47)));
  REQUIRE(late.has_value());
  CHECK(late->has_value());
  auto const next = filter.feed(line(48, 1, measured(700, 48)));
  REQUIRE(next.has_value());
  CHECK_FALSE(next->has_value());
}

TEST_CASE("without metrics there is no proposal and nothing changes") {
  HpaFilter filter(target(70));
  auto const answer =
      filter.feed(line(0, 3, R"({"name":"a","ready":true,"started_s":-600,"transition_s":-590})"));
  REQUIRE(answer.has_value());
  CHECK(**answer == HpaAnswer{0, std::nullopt, 3});
}

TEST_CASE("a scale-down waits for five minutes of lower recommendations") {
  HpaFilter filter(target(70));
  std::optional<double> down_s;
  for (int second = 0; second <= 400 && !down_s; second += 15) {
    auto const answer = filter.feed(line(second, 2, measured(second == 0 ? 1400 : 100, second)));
    REQUIRE(answer.has_value());
    if ((*answer)->desired == 1) down_s = second;
  }
  CHECK(down_s == 315);  // the recommendation of second 0 still counts at second 300
}

TEST_CASE("CPU counters go through the metrics path of cAdvisor and metrics-server") {
  HpaFilter filter(target(50));
  std::vector<HpaAnswer> answers;
  for (int second = 0; second <= 45; ++second) {
    auto const answer = filter.feed(line(second, 1, counted("a", -600, second)));
    REQUIRE(answer.has_value());
    if (*answer) answers.push_back(**answer);
  }
  // Sampled at 0, 10, 20, …; scraped at 0, 15, 30: the first rate is there at 15, from 0 to 10.
  CHECK(answers == std::vector<HpaAnswer>{{0, std::nullopt, 1}, {15, 2, 2}, {30, 2, 2}, {45, 2, 2}});
}

TEST_CASE("a young pod's rate that began before it was ready is put aside while scaling up") {
  HpaFilter filter(target(50));
  for (int second = 0; second <= 44; ++second) {
    std::string const young = second < 20 ? "" : "," + counted("b", 20, second);
    REQUIRE(filter.feed(line(second, 2, counted("a", -600, second) + young)).has_value());
  }
  auto const answer = filter.feed(line(45, 2, counted("a", -600, 45) + "," + counted("b", 20, 45)));
  REQUIRE(answer.has_value());
  // a at 100 % and b counted as 0 %: 50 % of two pods is the target.
  CHECK(**answer == HpaAnswer{45, 2, 2});
}

TEST_CASE("what is wrong with a line is told by its field") {
  struct Row {
    std::string line;
    std::string says;
  };
  auto const pod = [](std::string const& fields) { return line(1, 1, R"({"name":"a",)" + fields + "}"); };
  Row const rows[] = {
      {"{", "JSON"},
      {"[]", "object"},
      {R"({"current":1,"pods":[]})", "time_s is missing"},
      {R"({"time_s":"x","current":1,"pods":[]})", "time_s is \"x\"; allowed: a number"},
      {R"({"time_s":1,"current":1.5,"pods":[]})", "current is 1.5; allowed: a whole number from 0 to 100000"},
      {R"({"time_s":1,"current":-1,"pods":[]})", "current is -1; allowed: a whole number from 0"},
      {R"({"time_s":1,"current":1})", "pods is missing"},
      {line(1, 1, "3"), "pods[0] is 3; allowed: an object"},
      {line(1, 1, R"({"ready":true})"), "pods[0].name is missing"},
      {pod(R"("ready":1)"), "pods[0].ready is 1; allowed: true, false"},
      {pod(R"("started_s":"x")"), "pods[0].started_s is \"x\"; allowed: a number"},
      {pod(R"("cpu_millicores":5,"window_s":15)"), "pods: a: metrics_time_s is missing"},
      {pod(R"("cpu_millicores":5,"metrics_time_s":1)"), "pods: a: window_s is missing"},
      {pod(R"("window_s":15)"), "window_s must be absent without cpu_millicores"},
      {pod(R"("cpu_millicores":-5,"metrics_time_s":1,"window_s":15)"),
       "pods[0].cpu_millicores is -5; allowed: a number from 0"},
      {pod(R"("cpu_seconds_total":1)"), "started_s must be there beside cpu_seconds_total"},
      {pod(R"("cpu_seconds_total":1,"started_s":0,"cpu_millicores":5)"), "cpu_seconds_total must be absent"},
  };
  for (Row const& row : rows) {
    INFO(row.line);
    auto const answer = HpaFilter(target(70)).feed(row.line);
    REQUIRE_FALSE(answer.has_value());
    CHECK_THAT(answer.error().message, Catch::Contains(row.says));
  }
}

TEST_CASE("time does not go back") {
  HpaFilter filter(target(70));
  REQUIRE(filter.feed(line(5, 1, "")).has_value());
  REQUIRE(filter.feed(line(5, 1, "")).has_value());
  CHECK_FALSE(filter.feed(line(4, 1, "")).has_value());
}
