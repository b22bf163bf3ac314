#include "tests/operator/reconcile/world.hpp"

namespace api = ei::api;
namespace plan = ei::plan;
namespace reconcile = ei::reconcile;
using namespace std::chrono_literals;
using ei::ErrorKind;
using ei::reconcile::example::World;

TEST_CASE("A service gets its minimum of workers, and is looked at again every interval") {
  World world;
  auto const key = world.add("a");
  world.run_for(10s);
  CHECK(world.services[key].worker_replicas == 1);
  CHECK(world.applies.size() == 11);
  CHECK(world.scrapes == 11);
}

TEST_CASE("A service at rest causes no status write but its first") {
  World world;
  world.sample = ei::scaling::Sample{};
  world.add("a");
  world.run_for(20s);
  CHECK(world.status_writes == 1);
}

TEST_CASE("Advisors are told in the status, twice a minute at rest, and forgotten with the spec's list") {
  World world;
  world.sample = ei::scaling::Sample{};
  auto const key = world.add("a");
  world.services[key].spec->advisors = {ei::scaling::Advisor::Kpa, ei::scaling::Advisor::Hpa70};
  world.run_for(120s);
  CHECK(world.status_writes >= 4);
  CHECK(world.status_writes <= 5);
  auto const& advice = world.services[key].status.advice;
  REQUIRE(advice.size() == 1);
  CHECK(advice[0].measured_seconds >= 90);
  CHECK(advice[0].unmeasured_seconds == 0);
  REQUIRE(advice[0].advisors.size() == 2);
  CHECK(advice[0].advisors[1].first == ei::scaling::Advisor::Hpa70);
  CHECK(advice[0].advisors[1].second.replicas == 1);
  CHECK(advice[0].advisors[1].second.core_seconds == advice[0].measured_seconds);
  world.services[key].spec->advisors.clear();
  world.services[key].metadata.generation++;
  world.change(key);
  world.run_for(1s);
  CHECK(world.services[key].status.advice.empty());
}

TEST_CASE("Every decision has an id of its own") {
  World world;
  world.add("a");
  world.add("b");
  world.run_for(30s);
  std::set<std::string> const different(world.ids.begin(), world.ids.end());
  CHECK(different.size() == world.ids.size());
  REQUIRE(world.ids.size() == 62);
  CHECK(world.ids.front() == "x-1");
}

TEST_CASE("A change is acted upon at once, whatever the interval") {
  World world;
  auto const key = world.add("a", 60s);
  world.run_for(10s);
  world.services[key].spec->scaling.min_replicas = 3;
  world.change(key);
  world.run_for(0ms);
  CHECK(world.services[key].worker_replicas == 3);
  CHECK(std::count(world.told.begin(), world.told.end(), "ScaledUp") == 1);
}

TEST_CASE("A schedule's bounds are taken up when they begin and left when they end") {
  World world;
  auto const key = world.add("a");
  auto& spec = *world.services[key].spec;
  spec.scaling.policy = ei::scaling::Policy::External;
  spec.schedule = {{"mornings", "10 * * * *", "UTC", 5min, 3, {}}};
  world.run_for(9min + 58s);
  CHECK(world.services[key].worker_replicas == 1);
  world.run_for(4s);
  CHECK(world.services[key].worker_replicas == 3);
  CHECK(world.services[key].status.last_decision->formula ==
        "replicas set to 1; schedule 'mornings' asks for 3");
  world.run_for(5min - 4s);
  CHECK(world.services[key].worker_replicas == 3);
  world.run_for(4s);
  CHECK(world.services[key].worker_replicas == 1);
}

TEST_CASE("A change soon after a tick is decided on the tick's scrape, and does not move the beat") {
  World world;
  auto const key = world.add("a", 10s);
  world.run_for(8s);  // the first tick starts the beat at half an interval
  REQUIRE(world.scrapes == 2);
  world.change(key);  // 3 s after the second tick: young
  world.run_for(0ms);
  CHECK(world.scrapes == 2);
  world.run_for(3s);
  world.change(key);  // 6 s after it: old
  world.run_for(0ms);
  CHECK(world.scrapes == 3);
  world.applies.clear();
  world.run_for(4s);
  CHECK(world.applies == std::vector<std::chrono::milliseconds>{15s});
}

TEST_CASE("A service that is gone is cleared away and forgotten") {
  World world;
  auto const key = world.add("a");
  world.run_for(3s);
  world.services.erase(key);
  world.change(key);
  world.run_for(0ms);
  CHECK(world.removed.count(key) == 1);
  CHECK(world.gone == 1);
  world.applies.clear();
  world.run_for(10min);
  CHECK(world.applies.empty());
}

TEST_CASE("Clearing a service away is tried until it is done") {
  World world;
  auto const key = world.add("a");
  world.run_for(1s);
  world.services.erase(key);
  world.failures = {ei::make_error(ErrorKind::Unavailable, "away")};
  world.change(key);
  world.run_for(1s);
  CHECK(world.removed.count(key) == 1);
  CHECK(world.gone == 1);
}

TEST_CASE("Without a spec in force nothing is decided, and only a change brings the service back") {
  World world;
  auto const key = world.add("a");
  world.services[key].spec.reset();
  world.services[key].errors = {{"spec", "wrong"}};
  world.run_for(1min);
  CHECK(world.ids.empty());
  CHECK(world.scrapes == 0);
  CHECK(world.applies.empty());
  CHECK(world.status_writes == 1);
  CHECK(find_condition(world.services[key].status.conditions, "Ready")->reason == "InvalidSpec");
}

TEST_CASE("One dispatcher more that is not ready yet is not asked, and with too few that are ready each is") {
  World world;
  auto const key = world.add("a");
  auto& dispatchers = world.services[key].dispatchers;
  dispatchers.push_back({"serving", "1", "http://127.0.0.1:9000/metrics", true, {}});
  dispatchers.push_back({"starting", "2", "", false, {}});
  world.run_for(0ms);
  REQUIRE(world.asked.size() == 1);
  CHECK(world.asked.front().name == "serving");
  world.services[key].spec->dispatcher.replicas = 2;
  world.run_for(1s);
  CHECK(world.asked.size() == 2);
}

TEST_CASE("Dispatchers have half an interval to answer, within bounds") {
  CHECK(reconcile::scrape_deadline(20ms) == 50ms);
  CHECK(reconcile::scrape_deadline(1s) == 500ms);
  CHECK(reconcile::scrape_deadline(5min) == 2s);
}
