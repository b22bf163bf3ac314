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

TEST_CASE("far ahead, and long observed, the late share is the steady one") {
  for (int n = 3; n < 6; ++n) {
    double const steady = late_ratio(n, 2.5, 0.1, 0.5, 0.2);
    CHECK(late_ratio_ahead(n, {2.5, 0.1, 0.5, 0.2}, {0, 1e4, 1e9}) == Approx(steady).epsilon(1e-6));
  }
}

TEST_CASE("what the late share ahead follows") {
  Traffic const busy{0.95, 0.03, 0, 0.45};
  auto const late = [&](double queued_seconds, double seconds, double observed_seconds = 10) {
    return late_ratio_ahead(1, busy, {queued_seconds, seconds, observed_seconds});
  };
  CHECK(late(0, 2) < late(0, 4));
  CHECK(late(0, 4) < late(0, 60));
  CHECK(late(0, 4) < late(0.2, 4));  // what waits already
  CHECK(late(0.2, 4) < late(0.4, 4));
  CHECK(late(0.2, 4, 100) < late(0.2, 4, 10));  // a short look may have missed some
  CHECK(late(0, 2) < 0.05);
  CHECK(late(0, 600, 1e9) == Approx(late_ratio(1, 0.95, 0.03, 0, 0.45)).epsilon(0.02));
  Traffic const twice{1.5, 0.03, 0, 0.45};
  double previous = 1;
  for (int n = 1; n < 5; ++n) {
    double const share = late_ratio_ahead(n, twice, {0.1, 4, 10});
    CHECK(share <= previous);
    previous = share;
  }
}

TEST_CASE("more work than servers is late soon, not at once") {
  Traffic const overload{1.1, 0.03, 0, 0.45};
  CHECK(late_ratio_ahead(1, overload, {0, 0.5, 10}) < 0.01);
  CHECK(late_ratio_ahead(1, overload, {0, 30, 10}) > 0.9);
  // And it passes through "as much work as servers" without a jump.
  double const below = late_ratio_ahead(2, {1.999999, 0.1, 0, 0.4}, {0, 4, 10});
  double const above = late_ratio_ahead(2, {2.000001, 0.1, 0, 0.4}, {0, 4, 10});
  CHECK(below == Approx(above).epsilon(0.01));
}

TEST_CASE("the late share ahead at its edges") {
  struct Row {
    int servers;
    Traffic traffic;
    Outlook outlook;
    double expected;
    char const* why;
  };
  for (Row const& row : {
           Row{0, {0, 0.1, 0, 0.4}, {0, 4, 10}, 0, "nobody comes, nobody waits"},
           Row{0, {0.5, 0.1, 0, 0.4}, {0, 4, 10}, 1, "nobody serves"},
           Row{1, {0, 0.1, 0, 0.4}, {1, 4, 10}, 0, "nobody comes, and what waits is gone by then"},
           Row{1, {0, 0.1, 0, 0.4}, {10, 4, 10}, 1, "nobody comes, but more waits than is gone by then"},
           Row{1, {1e6, 0.1, 0, 0.4}, {1e6, 4, 10}, 1, "far beyond what an exponential can tell"},
           Row{10'000, {1, 0.1, 0, 0.4}, {0, 4, 10}, 0, "far too many servers"},
       }) {
    INFO(row.why);
    CHECK(late_ratio_ahead(row.servers, row.traffic, row.outlook) == Approx(row.expected).margin(1e-9));
  }
}

TEST_CASE("the least number of servers ahead is enough and one fewer is not") {
  for (double load = 0.1; load < 20; load += 0.37) {
    Traffic const traffic{load, 0.03, 0.01, 0.45};
    Outlook const outlook{0.2, 4, 10};
    int const n = least_servers_ahead(traffic, outlook, 0.02, 1000);
    INFO("offered load " << load);
    CHECK(late_ratio_ahead(n, traffic, outlook) <= 0.02);
    CHECK(late_ratio_ahead(n - 1, traffic, outlook) > 0.02);
  }
  CHECK(least_servers_ahead({1e9, 0.1, 0, 0.1}, {0, 4, 10}, 0.02, 50) == 50);
  CHECK(least_servers_ahead({0, 0.1, 0, 0.1}, {0, 4, 10}, 0.02, 50) == 0);
}

TEST_CASE("the search for servers ends at its limit, and asks for none without load") {
  CHECK(least_servers(1e9, 0.1, 0, 0.1, 0.02, 50) == 50);
  CHECK(least_servers(0, 0.1, 0, 0.1, 0.02, 50) == 0);
}
