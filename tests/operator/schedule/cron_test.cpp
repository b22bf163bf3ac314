#include "operator/schedule/cron.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using ei::schedule::parse_cron;

namespace {

template <std::size_t N>
std::vector<unsigned> set_of(std::bitset<N> const& bits) {
  std::vector<unsigned> set;
  for (unsigned at = 0; at < N; ++at) {
    if (bits.test(at)) set.push_back(at);
  }
  return set;
}

}  // namespace

TEST_CASE("A cron's fields are numbers, names, ranges, steps and lists of them") {
  auto const cron = parse_cron("0,30-32 */8 1-31/10 jan,Dec MON-fri");
  REQUIRE(cron.has_value());
  CHECK(set_of(cron->minutes) == std::vector<unsigned>{0, 30, 31, 32});
  CHECK(set_of(cron->hours) == std::vector<unsigned>{0, 8, 16});
  CHECK(set_of(cron->days) == std::vector<unsigned>{1, 11, 21, 31});
  CHECK(set_of(cron->months) == std::vector<unsigned>{1, 12});
  CHECK(set_of(cron->weekdays) == std::vector<unsigned>{1, 2, 3, 4, 5});
  CHECK(set_of(parse_cron("5/20 0 1 1 0")->minutes) == std::vector<unsigned>{5, 25, 45});
  CHECK(parse_cron("\t0  7 * * * ").has_value());
}

TEST_CASE("Sunday is 0 and 7") {
  CHECK(parse_cron("0 0 * * 7")->weekdays == parse_cron("0 0 * * SUN")->weekdays);
  CHECK(parse_cron("0 0 * * 0")->weekdays == parse_cron("0 0 * * SUN")->weekdays);
  CHECK(set_of(parse_cron("0 0 * * 5-7")->weekdays) == std::vector<unsigned>{0, 5, 6});
}

TEST_CASE("The words of cron stand for their expressions") {
  struct Row {
    std::string word;
    std::string same;
  };
  auto const row = GENERATE(values<Row>({{"@hourly", "0 * * * *"},
                                         {"@daily", "0 0 * * *"},
                                         {"@midnight", "0 0 * * *"},
                                         {"@weekly", "0 0 * * 0"},
                                         {"@monthly", "0 0 1 * *"},
                                         {"@yearly", "0 0 1 1 *"},
                                         {"@Annually", "0 0 1 1 *"}}));
  CHECK((*parse_cron(row.word) == *parse_cron(row.same)));
}

TEST_CASE("A day counts that is named by the day of the month or by the weekday, when both are named") {
  auto const either = *parse_cron("0 0 13 * FRI");
  CHECK(either.on_day(1, 13, 2));
  CHECK(either.on_day(1, 14, 5));
  CHECK_FALSE(either.on_day(1, 14, 2));
  auto const friday = *parse_cron("0 0 * * FRI");
  CHECK(friday.on_day(1, 14, 5));
  CHECK_FALSE(friday.on_day(1, 13, 2));
  // A step keeps the star: both must hold.
  auto const odd_fridays = *parse_cron("0 0 */2 * FRI");
  CHECK(odd_fridays.on_day(1, 13, 5));
  CHECK_FALSE(odd_fridays.on_day(1, 14, 5));
  CHECK_FALSE(odd_fridays.on_day(1, 13, 2));
}

TEST_CASE("What is no cron expression is refused by the field") {
  struct Row {
    std::string text;
    std::string says;
  };
  auto const row =
      GENERATE(values<Row>({{"", "has 0 fields; allowed: five"},
                            {"0 7 * *", "has 4 fields"},
                            {"0 0 7 * * *", "has 6 fields"},
                            {"@reboot", "'@reboot' is none of: @hourly"},
                            {"60 * * * *", "the minute '60' is none of: *, 0 to 59"},
                            {"-1 * * * *", "the minute '-1'"},
                            {"007 * * * *", "the minute '007'"},
                            {"* 24 * * *", "the hour '24' is none of: *, 0 to 23"},
                            {"* * 0 * *", "the day of month '0'"},
                            {"* * 32 * *", "the day of month '32'"},
                            {"* * * 13 *", "the month '13' is none of: *, 1 to 12 or JAN to DEC"},
                            {"* * * MON *", "the month 'MON'"},
                            {"* * * * 8", "the day of week '8' is none of: *, 0 to 7 or SUN to SAT"},
                            {"* * * * FRI-MON", "the day of week 'FRI-MON'"},
                            {"*/0 * * * *", "the minute '*/0'"},
                            {"*/x * * * *", "the minute '*/x'"},
                            {"*/ * * * *", "the minute '*/'"},
                            {"1,,2 * * * *", "the minute ''"},
                            {"1-2-3 * * * *", "the minute '1-2-3'"},
                            {"5-1 * * * *", "a range a-b that rises"},
                            {"*5 * * * *", "the minute '*5'"},
                            {"? * * * *", "the minute '?'"},
                            {"* * L * *", "the day of month 'L'"},
                            {"99999999999999999999 * * * *", "the minute '99999999999999999999'"},
                            {"0 0 30 2 *", "names a day that none of its months has"},
                            {"0 0 31 4,6,9,11 *", "names a day that none of its months has"}}));
  INFO(row.text);
  auto const cron = parse_cron(row.text);
  REQUIRE_FALSE(cron.has_value());
  CHECK_THAT(cron.error().message, Catch::Contains(row.says));
}

TEST_CASE("The 29th of February is a day") {
  CHECK(parse_cron("0 0 29 2 *").has_value());
  CHECK(parse_cron("0 0 30 2 MON").has_value());
}
