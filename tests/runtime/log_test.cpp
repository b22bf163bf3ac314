#include <catch2/catch.hpp>

#include "runtime/core/json.hpp"
#include "runtime/log/log.hpp"
#include "runtime/log/throttle.hpp"

using namespace ei;

namespace {

struct Captured {
  std::string lines;
  Captured() {
    log::set_sink([this](std::string_view line) { lines += line; });
  }
  ~Captured() {
    log::set_sink({});
    log::set_level(log::Level::Info);
  }
};

}  // namespace

TEST_CASE("a log line is one JSON object with time, level, event and its fields in order") {
  boost::json::object const fields{{"path", "a\"b\nc"}, {"count", 3}};
  auto const line = log::format_line(WallTime{}, log::Level::Warn, "something_happened", fields);
  CHECK(line ==
        "{\"ts\":\"1970-01-01T00:00:00.000000Z\",\"level\":\"warn\",\"event\":\"something_happened\","
        "\"path\":\"a\\\"b\\nc\",\"count\":3}\n");
}

TEST_CASE("bytes that are no UTF-8 cannot break a line") {
  boost::json::object const fields{{"from_client", "\xff\xfe"}};
  auto const line = log::format_line(WallTime{}, log::Level::Info, "x", fields);
  CHECK(line.find("%FF%FE") != std::string::npos);
  CHECK(parse_json(line).has_value());
}

TEST_CASE("lines below the level are dropped") {
  Captured captured;
  log::debug("hidden");
  CHECK(captured.lines.empty());
  log::set_level(log::Level::Debug);
  log::debug("shown", {{"n", 1}});
  CHECK(captured.lines.find("\"shown\"") != std::string::npos);
  log::set_level(log::Level::Error);
  captured.lines.clear();
  log::warn("hidden");
  CHECK(captured.lines.empty());
  CHECK(log::parse_level("warn").value() == log::Level::Warn);
  CHECK_FALSE(log::parse_level("loud").has_value());
}

TEST_CASE("lines that strangers cause come a few at once, then one in a while with what was held back") {
  log::Throttle throttle;
  SteadyTime now{std::chrono::hours(1)};
  for (std::uint64_t i = 0; i < log::Throttle::kBurst; ++i) CHECK(throttle.admit(now) == 0);
  for (int i = 0; i < 1000; ++i) CHECK_FALSE(throttle.admit(now));
  now += log::Throttle::kPeriod;
  CHECK(throttle.admit(now) == 1000);
  CHECK_FALSE(throttle.admit(now));
  // After a quiet time they come at once again, and not more of them the longer it was.
  now += 1000 * log::Throttle::kPeriod;
  CHECK(throttle.admit(now) == 1);
  for (std::uint64_t i = 1; i < log::Throttle::kBurst; ++i) CHECK(throttle.admit(now) == 0);
  CHECK_FALSE(throttle.admit(now));
}
