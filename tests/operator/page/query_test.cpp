#include "operator/page/query.hpp"

#include <catch2/catch.hpp>

namespace ei::page {
namespace {

TEST_CASE("a list's query says which services are on the screen", "[page]") {
  auto const query = parse_list_query("sort=queue&descending=true&filter=team-a%2Fres&offset=80&limit=30");
  REQUIRE(query.has_value());
  CHECK(query->sort == Column::Queue);
  CHECK(query->descending);
  CHECK(query->filter == "team-a/res");
  CHECK(query->offset == 80);
  CHECK(query->limit == 30);
}

TEST_CASE("a list's query may leave everything out", "[page]") {
  auto const query = parse_list_query("");
  REQUIRE(query.has_value());
  CHECK(query->sort == Column::Name);
  CHECK_FALSE(query->descending);
  CHECK(query->filter.empty());
  CHECK(query->offset == 0);
  CHECK(query->limit == 40);
}

TEST_CASE("a wrong query is refused by parameter, value and what is allowed", "[page]") {
  auto const [query, message] = GENERATE(table<std::string, std::string>({
      {"sort=age", "sort is 'age'; allowed: name, state, queue, arrivals, p99, workers"},
      {"descending=yes", "descending is 'yes'; allowed: true, false"},
      {"offset=-1", "offset is '-1'; allowed: a whole number from 0 to 10000000"},
      {"offset=99999999999999999999",
       "offset is '99999999999999999999'; allowed: a whole number from 0 to 10000000"},
      {"limit=0", "limit is '0'; allowed: a whole number from 1 to 100"},
      {"limit=101", "limit is '101'; allowed: a whole number from 1 to 100"},
      {"limit=", "limit is ''; allowed: a whole number from 1 to 100"},
      {"limit=1x", "limit is '1x'; allowed: a whole number from 1 to 100"},
  }));
  auto const read = parse_list_query(query);
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().message == message);
  CHECK_FALSE(parse_list_query("filter=" + std::string(kMostFilterBytes + 1, 'a')).has_value());
}

}  // namespace
}  // namespace ei::page
