#include "bench/policy/contestant.hpp"

#include <catch2/catch.hpp>

using namespace ei;
using namespace ei::bench;

TEST_CASE("a program has a name and a command, which may hold everything that a shell reads") {
  auto const players = read_programs({"a.b-1=python3 x.py --flag=1 | tee log", "c=cat"}, {});
  REQUIRE(players.has_value());
  CHECK(players->front().name() == "a.b-1");
  CHECK(players->front().command == "python3 x.py --flag=1 | tee log");
  CHECK(players->back().first_answer > players->back().answer);
}

TEST_CASE("one deadline holds for all answers where it is asked for") {
  auto const players = read_programs({"a=cat"}, std::chrono::milliseconds(250));
  REQUIRE(players.has_value());
  CHECK(players->front().first_answer == std::chrono::milliseconds(250));
  CHECK(players->front().answer == std::chrono::milliseconds(250));
}

TEST_CASE("names that two players or a file cannot have are refused") {
  for (char const* word : {"cat", "=cat", "a b=cat", "a/b=cat", "a,b=cat", ".a=cat", "a=", "a=  ", "Kpa=cat",
                           "LatencyPrometheus15s=cat", "a23456789012345678901=cat"}) {
    INFO(word);
    CHECK_FALSE(read_programs({word}, {}).has_value());
  }
  CHECK_FALSE(read_programs({"a=cat", "a=tac"}, {}).has_value());
  CHECK_FALSE(read_programs(std::vector<std::string>(9, "a=cat"), {}).has_value());
}
