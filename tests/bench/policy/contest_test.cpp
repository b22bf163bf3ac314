#include "bench/policy/contest.hpp"

#include <catch2/catch.hpp>

using namespace ei;
using namespace ei::bench;
using namespace std::chrono_literals;

namespace {

/// A load that one worker serves, and a schedule that asks for three from the second minute on.
Match light() {
  Match match;
  match.shape = "light";
  match.trace = Trace(120, 5);
  match.service_ms = 20;
  return match;
}

Rules scheduled() {
  Rules rules;
  rules.runs = 1;
  rules.begin = WallTime(1min * 479);  // 7:59 of a day
  rules.schedule = {
      {.name = "day", .cron = "0 8 * * *", .duration = 1h, .min_replicas = 3, .max_replicas = {}}};
  return rules;
}

Player program(std::string command) {
  return {Contestant::Program, "mine", std::move(command)};
}

}  // namespace

TEST_CASE("a schedule's minimum holds for a program as for our own policies, and not for models of others") {
  Match const match = light();
  auto const one = program(R"(while read -r question; do echo '{"replicas": 1, "reason": "One"}'; done)");
  for (Player const& player : {Player{Contestant::Latency}, Player{Contestant::QueueRatio}, one}) {
    INFO(player.name());
    auto const cell = play(match, player, scheduled());
    REQUIRE(cell.has_value());
    CHECK(cell->first.replicas[50] == 1);
    CHECK(cell->first.replicas[110] == 3);
  }
  auto const kpa = play(match, Player{Contestant::Kpa}, scheduled());
  REQUIRE(kpa.has_value());
  CHECK(kpa->first.replicas[110] == 1);
}

TEST_CASE("a program is asked with the bounds that the schedule sets at the moment") {
  // It ends, and so fails, when the question names another minimum than the schedule's.
  auto const player = program(R"(n=0; while read -r question; do
      case $question in
        *'"min_replicas":3'*) [ $n -ge 55 ] || exit 7 ;;
        *'"min_replicas":1'*) [ $n -le 65 ] || exit 8 ;;
        *) exit 9 ;;
      esac
      n=$((n + 1)); echo '{"replicas": 1, "reason": "One"}'
    done)");
  auto const cell = play(light(), player, scheduled());
  INFO((cell ? "" : cell.error().message));
  CHECK(cell.has_value());
}
