#include "operator/simulation/kpa.hpp"

#include <catch2/catch.hpp>

using namespace ei::simulation;

namespace {

Time at(double s) {
  return Time(seconds(s));
}

Kpa steady(double concurrency, int buckets = 60) {
  Kpa kpa{KpaSettings{}};
  for (int i = 0; i < buckets; ++i) kpa.observe(concurrency);
  return kpa;
}

}  // namespace

TEST_CASE("the stable window's concurrency over 70 % of one request") {
  struct Row {
    double concurrency;
    int ready;
    int expected;
    char const* why;
  };
  for (Row const& row : {
           Row{0, 1, 1, "idle: the minimum"},
           Row{0.69, 1, 1, "just under the target"},
           Row{0.8, 1, 2, "ceil(0.8/0.7)"},
           Row{2.09, 3, 3, "ceil(2.09/0.7)"},
           Row{100, 6, 6, "the maximum"},
           Row{0, 6, 3, "down at most by half in one tick"},
           Row{0, 5, 2, "half, rounded down"},
       }) {
    INFO(row.why);
    CHECK(steady(row.concurrency).decide(row.ready, at(100)) == row.expected);
  }
}

TEST_CASE("twice what is ready within six seconds is a panic, in which it never scales down") {
  Kpa kpa = steady(0.5);
  CHECK(kpa.decide(1, at(0)) == 1);
  for (int i = 0; i < 6; ++i) kpa.observe(3);
  CHECK(kpa.decide(1, at(6)) == 5);
  CHECK(kpa.panicking());
  for (int i = 0; i < 30; ++i) kpa.observe(0.1);
  CHECK(kpa.decide(5, at(36)) == 5);
  CHECK(kpa.panicking());
  for (int i = 0; i < 60; ++i) kpa.observe(0.1);
  CHECK(kpa.decide(5, at(96)) == 2);
  CHECK_FALSE(kpa.panicking());
}

TEST_CASE("in a panic the larger of both windows counts") {
  KpaSettings settings;
  settings.max_replicas = 100;
  Kpa kpa{settings};
  for (int i = 0; i < 54; ++i) kpa.observe(10);
  for (int i = 0; i < 6; ++i) kpa.observe(2);
  CHECK(kpa.decide(1, at(60)) == 14);  // ceil(9.2/0.7); the panic window alone asks for three
  CHECK(kpa.panicking());
}

TEST_CASE("a window that is not full yet averages what it has") {
  CHECK(steady(1.4, 3).decide(1, at(3)) == 2);
}
