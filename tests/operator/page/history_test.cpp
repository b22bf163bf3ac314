#include "operator/page/history.hpp"

#include <catch2/catch.hpp>

namespace ei::page {
namespace {

Sample waiting(std::uint32_t queue) {
  Sample sample;
  sample.queue = queue;
  return sample;
}

constexpr std::size_t kPlenty = 601;

TEST_CASE("a service where nothing happens costs one entry", "[page]") {
  History history;
  for (std::int64_t second = 1'000; second < 2'000; ++second) history.add(second, waiting(0), kPlenty);
  CHECK(history.entries() == 1);
  CHECK(history.since(1'990) == std::vector<Since>{{1'990, waiting(0)}});
}

TEST_CASE("the newest sample of a second counts", "[page]") {
  History history;
  history.add(10, waiting(1), kPlenty);
  history.add(11, waiting(2), kPlenty);
  history.add(11, waiting(3), kPlenty);
  CHECK(history.since(10) == std::vector<Since>{{10, waiting(1)}, {11, waiting(3)}});
}

TEST_CASE("what held at the asked second comes first, and then the changes", "[page]") {
  History history;
  history.add(10, waiting(1), kPlenty);
  history.add(20, waiting(2), kPlenty);
  history.add(30, waiting(3), kPlenty);
  CHECK(history.since(0).front() == Since{10, waiting(1)});
  CHECK(history.since(15) == std::vector<Since>{{15, waiting(1)}, {20, waiting(2)}, {30, waiting(3)}});
  CHECK(history.since(30) == std::vector<Since>{{30, waiting(3)}});
  CHECK(history.since(99) == std::vector<Since>{{99, waiting(3)}});
  CHECK(History().since(0).empty());
}

TEST_CASE("ten minutes are kept, with what held at their beginning", "[page]") {
  History history;
  for (std::int64_t second = 0; second <= 1'000; ++second)
    history.add(second, waiting(static_cast<std::uint32_t>(second)), kPlenty);
  CHECK(history.since(0).front() == Since{400, waiting(400)});
  CHECK(history.entries() == 601);
  history.add(5'000, waiting(7), kPlenty);
  CHECK(history.since(0) == std::vector<Since>{{1'000, waiting(1'000)}, {5'000, waiting(7)}});
}

TEST_CASE("a clock that is set back does not disturb what was seen", "[page]") {
  History history;
  history.add(100, waiting(1), kPlenty);
  history.add(40, waiting(2), kPlenty);
  history.add(101, waiting(3), kPlenty);
  CHECK(history.since(0) == std::vector<Since>{{100, waiting(1)}, {101, waiting(3)}});
}

TEST_CASE("all histories together stay within their bytes, and each has a minute", "[page]") {
  for (std::size_t const services : {1U, 100U, 700U, 2'000U, 6'000U}) {
    INFO(services);
    CHECK(most_entries(services) >= 60);
    CHECK(most_entries(services) <= 601);
    CHECK(services * most_entries(services) * sizeof(Since) <= kMostHistoryBytes);
  }
  CHECK(most_entries(690) == 601);
  CHECK(most_entries(1'000'000) == 60);
  History history;
  for (std::int64_t second = 0; second < 100; ++second)
    history.add(second, waiting(static_cast<std::uint32_t>(second)), 60);
  CHECK(history.entries() == 60);
  CHECK(history.since(0).front() == Since{40, waiting(40)});
}

}  // namespace
}  // namespace ei::page
