#include "operator/scaling/queueing.hpp"

#include <catch2/catch.hpp>
#include <cmath>

using namespace ei::scaling;

TEST_CASE("Erlang's C agrees with its published tables") {
  struct Row {
    int servers;
    double offered_load;
    double expected;
    char const* why;
  };
  for (Row const& row : {
           Row{1, 0.5, 0.5, "with one server one waits exactly when it is busy"},
           Row{2, 1.0, 1.0 / 3, "the textbook example"},
           Row{3, 2.0, 4.0 / 9, "R³/3!·3/(3−R) over the whole sum"},
           Row{5, 4.0, 0.5541, "tabulated"},
           Row{10, 8.0, 0.4092, "tabulated"},
           Row{4, 0, 0, "nobody comes"},
           Row{0, 0, 0, "nobody comes and nobody serves"},
           Row{0, 0.1, 1, "nobody serves"},
           Row{3, 3, 1, "as much work as servers: the queue never empties"},
           Row{3, 7, 1, "overload"},
       }) {
    INFO(row.why);
    CHECK(erlang_c(row.servers, row.offered_load) == Approx(row.expected).margin(1e-4));
  }
}

TEST_CASE("a thousand servers neither overflow nor underflow") {
  CHECK(erlang_c(1000, 900) == Approx(0.0005).margin(0.0005));
  CHECK(erlang_c(1000, 999) > 0.9);
}

TEST_CASE("the late share falls with servers and with the wait that is allowed") {
  double previous = 1;
  for (int n = 3; n < 10; ++n) {
    double const late = late_ratio(n, 2.5, 0.1, 0.5, 0.2);
    CHECK(late < previous);
    previous = late;
  }
  CHECK(late_ratio(3, 2.5, 0.1, 0.5, 0.4) < late_ratio(3, 2.5, 0.1, 0.5, 0.2));
  CHECK(late_ratio(3, 2.5, 0.1, 0.0, 0.2) < late_ratio(3, 2.5, 0.1, 2.0, 0.2));
}

TEST_CASE("for exponential service and one server the late share is M/M/1's own") {
  // P(W > w) = ρ·exp(−(1−ρ)w/S)
  CHECK(late_ratio(1, 0.5, 0.1, 1, 0.2) == Approx(0.5 * std::exp(-0.5 * 0.2 / 0.1)));
}

TEST_CASE("the least number of servers is enough and one fewer is not") {
  for (double load = 0.1; load < 20; load += 0.37) {
    int const n = least_servers(load, 0.14, 0.01, 0.34, 0.02, 1000);
    INFO("offered load " << load);
    CHECK(late_ratio(n, load, 0.14, 0.01, 0.34) <= 0.02);
    CHECK(late_ratio(n - 1, load, 0.14, 0.01, 0.34) > 0.02);
  }
}

TEST_CASE("the search for servers ends at its limit, and asks for none without load") {
  CHECK(least_servers(1e9, 0.1, 0, 0.1, 0.02, 50) == 50);
  CHECK(least_servers(0, 0.1, 0, 0.1, 0.02, 50) == 0);
}
