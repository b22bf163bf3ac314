#include "operator/advice/hour.hpp"

#include <catch2/catch.hpp>

using namespace ei;
using namespace ei::advice;
using namespace std::chrono_literals;

namespace {

/// A service that is sampled at the end of each of its seconds.
class Sampled {
 public:
  explicit Sampled(std::size_t keep = 3'600) : most(keep) { sample(0); }

  /// An interval of so many seconds with so many requests, all answered in 0.1 s each.
  void interval(double seconds, double requests, int workers = 2, double late = 0) {
    pass(seconds);
    newest_.arrivals += requests;
    newest_.completions += requests;
    newest_.service_seconds += requests * service;
    newest_.service_seconds_squared += requests * service * service * 2;
    newest_.late = newest_.late.value_or(0) + late;
    sample(workers);
  }
  void lose(double seconds) {
    pass(seconds);
    hour.take(std::nullopt, settings, 2, now, most);
  }
  void pass(double seconds) {
    now += std::chrono::duration_cast<WallTime::duration>(scaling::Seconds(seconds));
    newest_.at += std::chrono::duration_cast<SteadyTime::duration>(scaling::Seconds(seconds));
  }
  void forget_counters() { newest_ = fresh(newest_.at, newest_.epoch + 1); }

  Hour hour;
  scaling::Settings settings;
  WallTime now{100'000s};
  double service = 0.1;
  std::size_t most;

 private:
  void sample(int workers) { hour.take(newest_, settings, workers, now, most); }

  static scaling::Sample fresh(SteadyTime at, std::uint64_t epoch) {
    scaling::Sample out;
    out.at = at;
    out.epoch = epoch;
    return out;
  }

  scaling::Sample newest_ = fresh(SteadyTime(50s), 1);
};

double seconds_of(std::vector<Span> const& spans) {
  double tenths = 0;
  for (auto const& each : spans) tenths += each.tenths;
  return tenths / 10;
}

}  // namespace

TEST_CASE("an hour keeps what arrived, what was late and what ran in each second") {
  Sampled service;
  service.interval(1, 7, 2);
  service.interval(1, 9, 3, 1);
  CHECK(service.hour.spans(service.now) == std::vector<Span>{{100'000, 7, 0, 10, 2}, {100'001, 9, 1, 10, 3}});
  REQUIRE(service.hour.service());
  CHECK(service.hour.service()->seconds == Approx(0.1));
  CHECK(service.hour.service()->cv2 == Approx(1));
}

TEST_CASE("ten decisions a second make one span of a second") {
  Sampled service;
  service.settings.interval = 100ms;
  for (int i = 0; i < 30; ++i) service.interval(0.1, 1);
  auto const spans = service.hour.spans(service.now);
  CHECK(spans.size() == 3);
  CHECK(seconds_of(spans) == Approx(3).margin(0.11));
}

TEST_CASE("rounding to tenths loses no time over an hour") {
  Sampled service;
  for (int i = 0; i < 1'000; ++i) service.interval(1.033, 1);
  CHECK(seconds_of(service.hour.spans(service.now)) == Approx(1'033).margin(0.2));
}

TEST_CASE("a second where nothing comes costs no room, for a minute at a time") {
  Sampled service;
  service.interval(1, 5);
  for (int i = 0; i < 150; ++i) service.interval(1, 0);
  auto const spans = service.hour.spans(service.now);
  CHECK(spans.size() == 4);
  CHECK(seconds_of(spans) == Approx(151).margin(0.11));
  service.interval(1, 0, 1);
  CHECK(service.hour.spans(service.now).size() == 5);
}

TEST_CASE("what is older than an hour is left out, and of more spans than there is room for the oldest") {
  Sampled service;
  for (int i = 0; i < 4'000; ++i) service.interval(1, 1);
  auto spans = service.hour.spans(service.now);
  CHECK(spans.size() == 3'600);
  CHECK(spans.back().begin == 103'999);
  CHECK(service.hour.spans(service.now + 3'000s).size() == 600);

  Sampled crowded(60);
  for (int i = 0; i < 100; ++i) crowded.interval(1, 1);
  spans = crowded.hour.spans(crowded.now);
  CHECK(spans.size() == 60);
  CHECK(spans.back().begin == 100'099);
}

TEST_CASE("what was not measured is no part of the hour") {
  Sampled service;
  service.interval(1, 4);
  SECTION("one lost scrape is bridged") {
    service.lose(1);
    service.interval(1, 8);
    CHECK(seconds_of(service.hour.spans(service.now)) == Approx(3));
  }
  SECTION("a minute is not, and seconds without a request do not reach over it") {
    service.interval(1, 0);
    service.lose(60);
    service.interval(1, 8);  // came at some time in that minute
    service.interval(1, 0);
    auto const spans = service.hour.spans(service.now);
    CHECK(spans.size() == 3);
    CHECK(seconds_of(spans) == Approx(3));
  }
  SECTION("new dispatchers count from zero") {
    service.forget_counters();
    service.interval(1, 8);
    CHECK(service.hour.spans(service.now).size() == 1);
  }
}

TEST_CASE("the service time is that of the last minutes") {
  Sampled service;
  CHECK_FALSE(service.hour.service());
  for (int i = 0; i < 600; ++i) service.interval(1, 10);
  service.service = 0.02;
  for (int i = 0; i < 1'800; ++i) service.interval(1, 10);
  CHECK(service.hour.service()->seconds == Approx(0.02).margin(0.006));
}

TEST_CASE("many services share the room, and each keeps a minute") {
  CHECK(most_spans(1) == 3'600);
  CHECK(most_spans(145) == 3'600);
  CHECK(most_spans(1'000) == 524);
  CHECK(most_spans(1'000'000) == 60);
  CHECK(1'000 * most_spans(1'000) * sizeof(Span) <= kMostHourBytes);
}
