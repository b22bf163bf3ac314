#include "tests/operator/reconcile/world.hpp"

namespace plan = ei::plan;
namespace reconcile = ei::reconcile;
namespace scaling = ei::scaling;
using namespace std::chrono_literals;
using ei::ErrorKind;
using ei::reconcile::example::World;

namespace {

struct Sleeper {
  World world;
  ei::api::ServiceKey key;

  Sleeper() {
    world.sample = scaling::Sample{};
    world.sample->arrivals = 12;
    key = world.add("a");
    auto& seen = world.services[key];
    seen.spec->scaling.min_replicas = 0;
    seen.spec->scaling.idle_after = 30s;
    seen.dispatchers = {{"d", "d/1", "http://10.0.0.1:9000/metrics", true, {}}};
  }
  void serve() {
    plan::WorkerInstance worker;
    worker.name = "w";
    worker.ready = true;
    world.services[key].workers.assign(1, worker);
  }
  void sleep() {
    serve();
    world.run_for(60s);
    REQUIRE(world.services[key].worker_replicas == 0);
    world.services[key].workers.clear();
    world.run_for(20s);
  }
  int replicas() { return world.services[key].worker_replicas.value_or(-1); }
};

}  // namespace

TEST_CASE(
    "A new service is tried by one worker, goes to zero after idleAfter, and then costs a look now and "
    "then") {
  Sleeper service;
  service.world.run_for(0ms);
  CHECK(service.replicas() == 1);
  service.serve();
  service.world.run_for(29s);
  CHECK(service.replicas() == 1);
  service.world.run_for(3s);
  CHECK(service.replicas() == 0);
  service.world.services[service.key].workers.clear();
  auto const before = service.world.scrapes;
  service.world.run_for(10min);
  CHECK(service.world.scrapes - before >= 40);
  CHECK(service.world.scrapes - before <= 62);
}

TEST_CASE("A service that sleeps names its dispatchers and the requests that it knows of") {
  Sleeper service;
  service.sleep();
  CHECK(service.world.idle);
  REQUIRE(service.world.awaited.size() == 1);
  CHECK(service.world.awaited[0] == ei::scrape::Awaited{"http://10.0.0.1:9000/metrics", 12});
}

TEST_CASE(
    "Where a dispatcher will tell of requests, a service that sleeps is looked at five times as seldom") {
  Sleeper service;
  service.sleep();
  service.world.watch(service.key);
  service.world.run_for(20s);
  auto const before = service.world.scrapes;
  service.world.run_for(10min);
  CHECK(service.world.scrapes - before >= 8);
  CHECK(service.world.scrapes - before <= 12);
}

TEST_CASE("A call wakes a service at once, and it is looked at each interval again") {
  Sleeper service;
  service.sleep();
  service.world.sample->queue = 1;
  service.world.sample->arrivals = 13;
  service.world.call(service.key);
  service.world.run_for(0ms);
  CHECK(service.replicas() == 1);
  CHECK_FALSE(service.world.idle);
  CHECK(service.world.told.back() == "ScaledUp");
  auto const before = service.world.scrapes;
  service.world.run_for(10s);
  CHECK(service.world.scrapes - before == 10);
}

TEST_CASE("A call whose worker cannot be made is not forgotten") {
  Sleeper service;
  service.sleep();
  service.world.fail_always(ei::make_error(ErrorKind::Unavailable, "no API server"));
  service.world.scale_failures.assign(100, ei::make_error(ErrorKind::Unavailable, "no API server"));
  service.world.call(service.key);
  service.world.run_for(2s);
  CHECK(service.replicas() == 0);
  service.world.failures.clear();
  service.world.scale_failures.clear();
  service.world.run_for(120s);
  CHECK(service.replicas() == 1);
}

TEST_CASE("A request that nobody told of is found by the next look") {
  Sleeper service;
  service.sleep();
  service.world.sample->queue = 1;
  service.world.sample->arrivals = 13;
  service.world.run_for(16s);
  CHECK(service.replicas() == 1);
}

TEST_CASE("Dispatchers that do not answer do not keep a service asleep, and are asked each interval") {
  Sleeper service;
  service.sleep();
  service.world.sample.reset();
  service.world.run_for(16s);
  auto const before = service.world.scrapes;
  service.world.run_for(5s);
  CHECK(service.world.scrapes - before >= 5);
  service.world.run_for(10s);
  CHECK(service.replicas() == 1);
  CHECK_FALSE(service.world.idle);
}

TEST_CASE("Lost metrics never take a live service to zero") {
  Sleeper service;
  service.world.run_for(5s);
  service.serve();
  service.world.sample.reset();
  service.world.run_for(10min);
  CHECK(service.replicas() == 1);
}

TEST_CASE("An edit of a service that sleeps is tried by one worker") {
  Sleeper service;
  service.sleep();
  service.world.services[service.key].metadata.generation += 1;
  service.world.change(service.key);
  service.world.run_for(0ms);
  CHECK(service.replicas() == 1);
}

TEST_CASE("Under External nobody waits for requests at zero") {
  Sleeper service;
  auto& spec = *service.world.services[service.key].spec;
  spec.scaling.policy = scaling::Policy::External;
  spec.scaling.external_replicas = 0;
  service.world.run_for(30s);
  CHECK(service.replicas() == 0);
  CHECK_FALSE(service.world.idle);
}
