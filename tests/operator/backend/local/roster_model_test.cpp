#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>

#include "tests/dispatcher/seed.hpp"
#include "tests/operator/backend/local/roster_stage.hpp"

using namespace ei;
using namespace ei::backend::local;
using namespace std::chrono_literals;

namespace {

/// Processes that start, crash, become ready, leave or hang as chance has it,
/// and edits of the spec meanwhile.
struct Walk : RosterStage {
  explicit Walk(std::uint32_t seed) : random(seed) {}

  int below(int bound) { return static_cast<int>(random() % static_cast<unsigned>(bound)); }

  InstancePtr any(bool leaving) {
    std::vector<InstancePtr> found;
    for (auto const& each : roster.running()) {
      if (each->leaving == leaving) found.push_back(each);
    }
    return found.empty() ? nullptr : found[static_cast<std::size_t>(below(static_cast<int>(found.size())))];
  }

  void event() {
    switch (below(9)) {
      case 0:
        spec.model.uri = "file:///m/" + std::to_string(below(3));
        break;
      case 1:
        spec.dispatcher.queue_capacity = 10 + below(2);
        break;
      case 2:
        dispatchers = 1 + below(2);
        break;
      case 3:
        workers = below(4);
        break;
      case 4:
        broken = below(4) == 0;
        break;
      case 5:
        if (auto const one = any(false)) ends(one->name);
        break;
      case 6:
        if (auto const one = any(true)) ends(one->name);
        break;
      case 7:
        if (auto const one = any(false)) roster.replace_worker(one->name, now);
        break;
      default:
        if (auto const one = any(false)) {
          listens(one->name);
          becomes_ready(one->name);
        }
    }
    want(dispatchers, workers);
    pass(milliseconds(below(8000)));
  }

  /// Processes do what they shall from now on: those that are to leave end, the others become ready.
  void calm_down() {
    broken = false;
    pass(kLasted);
    for (bool busy = true; busy;) {
      busy = false;
      for (auto const& each : roster.running()) {
        if (each->leaving) {
          ends(each->name);
          busy = true;
        } else if (!each->ready) {
          busy = true;
          listens(each->name);
          becomes_ready(each->name);
        }
      }
    }
  }

  std::mt19937 random;
  int dispatchers = 1;
  int workers = 1;
};

/// Each process is started once, asked to leave at most once, and killed at most once,
/// and that after it was asked.
void check_orders(std::vector<std::string> const& orders) {
  std::map<std::string, std::vector<std::string>> of;
  for (auto const& order : orders)
    of[order.substr(order.rfind(' ') + 1)].push_back(order.substr(0, order.find(' ')));
  std::set<std::vector<std::string>> const lives{
      {"start"}, {"start", "leave"}, {"start", "leave", "kill"}, {"cannot"}};
  for (auto const& [name, life] : of) {
    CAPTURE(name, life);
    if (name.starts_with("a-")) CHECK(lives.contains(life));
  }
}

template <class Seen>
void check_well(Seen const& each) {
  CAPTURE(each.name);
  CHECK(each.ready);
  CHECK_FALSE(each.outdated);
  CHECK((each.trouble ? each.trouble->message : "") == "");
}

void check_walk(std::uint32_t seed) {
  INFO("EI_SEED=" << seed);
  Walk walk(seed);
  for (int step = 0; step < 60; ++step) {
    walk.event();
    // A worker that takes over is one more, and one at a time.
    auto const seen = walk.observed();
    auto const staying = std::count_if(seen.workers.begin(), seen.workers.end(),
                                       [](auto const& each) { return !each.terminating; });
    REQUIRE(staying <= walk.workers + 1);
    REQUIRE(seen.dispatchers.size() == static_cast<std::size_t>(walk.dispatchers));
  }
  walk.calm_down();
  auto const seen = walk.observed();
  REQUIRE(seen.workers.size() == static_cast<std::size_t>(walk.workers));
  for (auto const& each : seen.workers) check_well(each);
  for (auto const& each : seen.dispatchers) check_well(each);
  REQUIRE(walk.sockets.size() == static_cast<std::size_t>(walk.dispatchers));
  REQUIRE_FALSE(walk.roster.next_time());

  walk.roster.stop();
  for (int i = 0; i < 3; ++i) {
    walk.act();
    for (auto const& each : walk.roster.running()) {
      if (each->leaving) walk.ends(each->name);
    }
  }
  REQUIRE(walk.roster.running().empty());
  REQUIRE(walk.sockets.empty());
  check_orders(walk.done());
}

}  // namespace

TEST_CASE("roster: whatever happened, it ends with the processes that are wanted") {
  auto const seed = dispatcher::test_seed();
  for (std::uint32_t run = 0; run < 20; ++run) check_walk(seed + run);
}

TEST_CASE("roster: where a takeover failed in two places, one is the next to be tried") {
  check_walk(560);
}
