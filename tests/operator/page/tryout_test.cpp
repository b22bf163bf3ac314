#include "operator/page/tryout.hpp"

#include <catch2/catch.hpp>

#include "operator/api/parse.hpp"
#include "runtime/core/json.hpp"

namespace ei::page {
namespace {

namespace json = boost::json;

/// Five calm minutes, five with four times the load, five calm ones.
Known known(api::Spec const& spec = {}) {
  Known out{to_json_text(api::to_json(spec)), {}, {0.1, 0.05}, 3, 0};
  for (std::uint32_t second = 0; second < 900; ++second) {
    std::uint32_t const requests = second / 300 == 1 ? 30 : 7;
    out.hour.push_back({1'772'582'400 + second, requests, second == 301 ? 9U : 0U, 10, 2});
  }
  return out;
}

Result<Tryout> begin(std::string_view query, Known what = known()) {
  return Tryout::begin({"default", "a"}, std::move(what), query);
}

json::object tried(std::string_view query, Known what = known()) {
  auto tryout = begin(query, std::move(what));
  REQUIRE(tryout.has_value());
  while (tryout->step()) {
  }
  return tryout->result();
}

std::string refused(std::string_view query) {
  auto const tryout = begin(query);
  REQUIRE_FALSE(tryout.has_value());
  CHECK(tryout.error().kind == ErrorKind::Invalid);
  return tryout.error().message;
}

}  // namespace

TEST_CASE("a trial says what was measured, and what the model did as it is and as tried", "[page]") {
  auto const out = tried("minReplicas=5");
  CHECK(out.at("version") == 1);
  auto const& measured = out.at("measured");
  CHECK(measured.at("requests") == 600 * 7 + 300 * 30);
  CHECK(measured.at("late") == 9);
  CHECK(measured.at("seconds") == 900);
  CHECK(measured.at("core_seconds") == 1'800);
  CHECK(measured.at("service_ms") == 100.0);
  CHECK(measured.at("start_s") == 3.0);
  auto const& acting = out.at("acting");
  auto const& other = out.at("tried");
  CHECK(other.at("core_seconds").as_int64() > acting.at("core_seconds").as_int64());
  CHECK(other.at("late").as_int64() <= acting.at("late").as_int64());
  CHECK(other.at("p50_ms").is_int64());
  CHECK(other.at("p99_ms").is_int64());
  CHECK(other.at("most_workers").as_int64() >= 5);
  auto const& timeline = out.at("timeline").as_array();
  REQUIRE(timeline.size() == 90);
  CHECK(timeline[0].at(0) == 1'772'582'400);
  CHECK(timeline[0].at(1) == 7.0);
  CHECK(timeline[35].at(1) == 30.0);
  CHECK(timeline[0].at(2) == 2);
  CHECK(timeline[0].at(3).is_int64());
  CHECK(timeline[0].at(4) == 5);
}

TEST_CASE("the command applies what was tried and nothing else", "[page]") {
  CHECK(
      tried("latencyTarget=300ms&minReplicas=2").at("command") ==
      R"(kubectl patch eis a -n default --type merge -p '{"spec":{"scaling":{"latencyTarget":"300ms","minReplicas":2}}}')");
  CHECK(tried("").at("command") == "");
  // As it is already.
  CHECK(tried("minReplicas=1&cooldown=150s").at("command") == "");
}

TEST_CASE("settings as they are give twice the same outcome", "[page]") {
  auto const out = tried("");
  CHECK(out.at("acting") == out.at("tried"));
}

TEST_CASE("a trial of the classic rule looks as seldom as that rule does by itself", "[page]") {
  auto const out = tried("policy=QueueRatio");
  CHECK(out.at("tried").at("late").as_int64() > out.at("acting").at("late").as_int64());
  api::Spec often;
  often.scaling.interval = std::chrono::seconds(5);  // named by the user, so it stays
  CHECK(tried("policy=QueueRatio", known(often)) != out);
}

TEST_CASE("a backend without standbys is tried without them, whatever the spec wants", "[page]") {
  api::Spec spec;
  spec.scaling.standby = 2;
  auto with = known(spec);
  with.standbys = 2;
  auto const none = tried("", known(spec));
  CHECK(none.at("acting") == tried("").at("acting"));
  CHECK(tried("", with).at("acting") != none.at("acting"));
}

TEST_CASE("what nobody can apply is refused as the API would", "[page]") {
  CHECK(refused("minReplicas=7").find("spec.scaling") == 0);
  CHECK(refused("minReplicas=-1") ==
        "spec.scaling.minReplicas: Invalid value: -1: must be an integer between 0 and 1000");
  CHECK(refused("cooldown=soon").find("spec.scaling.cooldown") == 0);
  CHECK(refused("cooldown=60").find("spec.scaling.cooldown") == 0);
  CHECK(refused("policy=Best").find("spec.scaling.policy") == 0);
  CHECK(
      refused("minreplicas=2") ==
      "'minreplicas' cannot be tried; allowed: policy, queueTarget, latencyTarget, minReplicas, maxReplicas, "
      "cooldown, idleAfter");
  CHECK(refused("cooldown=%zz").find("cooldown: its value must be at most 40 bytes") == 0);
  CHECK(refused("cooldown=" + std::string(41, '1')).find("cooldown: its value must be at most 40 bytes") ==
        0);
  CHECK(refused("policy=External").find("allowed in a trial: Latency, QueueRatio") != std::string::npos);
}

TEST_CASE("where somebody else decides there is no model of what acts", "[page]") {
  api::Spec spec;
  spec.scaling.policy = scaling::Policy::External;
  auto const out = tried("policy=Latency", known(spec));
  CHECK(out.at("acting").is_null());
  CHECK(out.at("acting_message").as_string().find("External") != std::string_view::npos);
  CHECK(out.at("tried").at("p99_ms").is_int64());
  CHECK(out.at("timeline").at(0).at(3).is_null());
}

TEST_CASE("a span that is longer than a bucket is in each that it touches, and a gap is in none", "[page]") {
  auto what = known();
  what.hour = {{1'000, 30, 0, 300, 2}, {1'100, 5, 0, 10, 3}};
  auto const out = tried("", what);
  auto const& timeline = out.at("timeline").as_array();
  REQUIRE(timeline.size() == 4);
  CHECK(timeline[0].at(0) == 1'000);
  CHECK(timeline[2].at(0) == 1'020);
  CHECK(timeline[2].at(1) == 1.0);
  CHECK(timeline[3].at(0) == 1'100);
  CHECK(timeline[3].at(2) == 3);
}

}  // namespace ei::page
