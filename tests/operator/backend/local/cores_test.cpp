#include "operator/backend/local/cores.hpp"

#include <catch2/catch.hpp>

namespace local = ei::backend::local;
using ei::api::ServiceKey;

namespace {

ServiceKey key(std::string name) {
  return {"default", std::move(name)};
}

}  // namespace

TEST_CASE("One service may have every core") {
  CHECK(local::most_workers(4, {{key("a"), 0}}, key("a")) == 4);
  CHECK(local::most_workers(4, {{key("a"), 4}}, key("a")) == 4);
}

TEST_CASE("What another service uses is not there") {
  CHECK(local::most_workers(4, {{key("a"), 1}, {key("b"), 3}}, key("a")) == 1);
  CHECK(local::most_workers(4, {{key("a"), 1}, {key("b"), 2}}, key("a")) == 2);
}

TEST_CASE("A service that comes late still gets one worker, and the busy one gives it up") {
  CHECK(local::most_workers(2, {{key("busy"), 2}, {key("new"), 0}}, key("new")) == 1);
  CHECK(local::most_workers(2, {{key("busy"), 2}, {key("new"), 0}}, key("busy")) == 1);
}

TEST_CASE("Of more services than cores the first by name get one worker each") {
  std::map<ServiceKey, int> const wanted{{key("a"), 1}, {key("b"), 1}, {key("c"), 0}};
  CHECK(local::most_workers(2, wanted, key("a")) == 1);
  CHECK(local::most_workers(2, wanted, key("b")) == 1);
  CHECK(local::most_workers(2, wanted, key("c")) == 0);
}

TEST_CASE("Never more workers than cores, whatever is wanted") {
  for (int cores = 1; cores <= 4; ++cores) {
    for (int services = 1; services <= 6; ++services) {
      std::map<ServiceKey, int> wanted;
      for (int i = 0; i < services; ++i) wanted[key(std::string(1, static_cast<char>('a' + i)))] = 0;
      // Every service takes all it may have, again and again, until nothing changes.
      for (int round = 0; round < 20; ++round) {
        for (auto& [each, count] : wanted) count = local::most_workers(cores, wanted, each);
      }
      int total = 0;
      for (auto const& [each, count] : wanted) total += count;
      INFO(cores << " cores, " << services << " services");
      CHECK(total == cores);
    }
  }
}

TEST_CASE("A worker gets the core that the fewest others have") {
  CHECK(local::pick_core({2, 5, 7}, {}) == 2);
  CHECK(local::pick_core({2, 5, 7}, {2}) == 5);
  CHECK(local::pick_core({2, 5, 7}, {2, 5, 7, 7, 2}) == 5);
}

TEST_CASE("This process may run somewhere") {
  CHECK_FALSE(local::usable_cores().empty());
}
