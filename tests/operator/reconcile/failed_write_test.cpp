#include "tests/operator/reconcile/world.hpp"

namespace api = ei::api;
using namespace std::chrono_literals;
using ei::ErrorKind;
using ei::reconcile::example::World;

TEST_CASE("A failure is tried again, later each time, and its change is told once it came to pass") {
  World world;
  auto const conflict = ei::make_error(ErrorKind::Conflict, "somebody was faster");
  auto const key = world.add("a", 60s);
  world.run_for(1s);
  world.failures = {conflict, conflict, conflict};
  world.services[key].spec->scaling.min_replicas = 3;
  world.applies.clear();
  world.told.clear();
  world.change(key);
  world.run_for(10s);
  CHECK(world.applies == std::vector<std::chrono::milliseconds>{1000ms, 1005ms, 1015ms, 1035ms});
  CHECK(world.services[key].worker_replicas == 3);
  CHECK(world.told == std::vector<std::string>{"ScaledUp"});
  CHECK(world.services[key].status.desired_replicas == 3);
}

TEST_CASE("What is denied for good is asked for ever more rarely, and the owner is told at once and once") {
  World world;
  auto const key = world.add("a");
  world.fail_always(ei::make_error(ErrorKind::Forbidden, "exceeded quota: two"));
  world.run_for(0ms);
  auto const& status = world.services[key].status;
  CHECK(status.observed_generation == 4);
  CHECK(world.condition(key, "Ready") == "False DispatcherNotReady");
  CHECK(world.condition(key, "Stalled") == "True Refused");
  CHECK(world.condition(key, "WorkersReady") == "False Refused");
  world.run_for(10min);
  // 5 ms doubled up to a minute: 14 tries in the first 82 s, then one a minute.
  CHECK(world.applies.size() <= 25);
  CHECK(std::count(world.told.begin(), world.told.end(), "Refused") == 1);
  CHECK(find_condition(status.conditions, "WorkersReady")->message.find("exceeded quota: two") !=
        std::string::npos);
  // What moves is the decision's reason (no metrics yet), at most every ten seconds.
  CHECK(world.status_writes < 5);
}

TEST_CASE("A child that cannot be written does not stop scaling, whatever the reason") {
  auto const kind = GENERATE(ErrorKind::Unavailable, ErrorKind::Invalid, ErrorKind::Timeout);
  World world;
  auto const key = world.add("a");
  world.services[key].spec->scaling.policy = ei::scaling::Policy::External;
  world.run_for(5s);
  REQUIRE(world.services[key].worker_replicas == 1);
  world.fail_always(ei::make_error(kind, "Deployment a-worker: no"));
  world.run_for(5min);
  for (int const wanted : {3, 2, 5}) {
    world.services[key].spec->scaling.external_replicas = wanted;
    world.run_for(1s);
    CHECK(world.services[key].worker_replicas == wanted);
    CHECK(world.services[key].status.desired_replicas == wanted);
  }
  CHECK(std::count(world.told.begin(), world.told.end(), "ScaledUp") == 2);
  CHECK(world.condition(key, "Stalled").substr(0, 4) == "True");
}

TEST_CASE("An edit is tried at once, however long the one before it has failed") {
  World world;
  auto const key = world.add("a");
  world.fail_always(ei::make_error(ErrorKind::Invalid, "no"));
  world.run_for(5min);
  world.failures.clear();
  ++world.services[key].metadata.generation;
  world.applies.clear();
  world.change(key);
  world.run_for(0ms);
  CHECK(world.applies.size() == 1);
  CHECK(world.condition(key, "Stalled").substr(0, 5) == "False");
  CHECK(world.services[key].status.observed_generation == 5);
}

TEST_CASE("Where not even the count can be written it is told, and tried ever more rarely") {
  World world;
  auto const key = world.add("a");
  world.run_for(5s);
  world.fail_always(ei::make_error(ErrorKind::Forbidden, "no patch"));
  for (int i = 0; i < 1000; ++i)
    world.scale_failures.push_back(ei::make_error(ErrorKind::Forbidden, "no scale"));
  world.services[key].spec->scaling.min_replicas = 3;
  world.change(key);
  world.run_for(10min);
  CHECK(world.scalings.size() < 50);
  auto const* stalled = find_condition(world.services[key].status.conditions, "Stalled");
  CHECK(stalled->message.substr(0, 34) == "no patch; the count alone: no scal");
  CHECK(world.services[key].status.desired_replicas == 1);
  CHECK(world.services[key].status.history.empty());
  CHECK(std::count(world.told.begin(), world.told.end(), "ScaledUp") == 0);
}

TEST_CASE("A status that cannot be written is tried again, and is no trouble of the children") {
  World world;
  auto const key = world.add("a");
  auto const away = ei::make_error(ErrorKind::Unavailable, "away");
  world.tell_failures = {away, away, away};
  world.run_for(500ms);
  CHECK(world.scalings.empty());
  CHECK(world.status_writes == 1);
  CHECK(world.condition(key, "Stalled").substr(0, 5) == "False");
}

TEST_CASE("A failure that passes by itself is not told to the owner") {
  World world;
  auto const key = world.add("a");
  for (auto const kind : {ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Conflict}) {
    world.failures.push_back(ei::make_error(kind, "away"));
  }
  world.run_for(1s);
  CHECK(world.told.empty());
  CHECK(world.condition(key, "WorkersReady") == "False Starting");
}

TEST_CASE("The other side's wish to wait is honoured") {
  World world;
  auto slow = ei::make_error(ErrorKind::TooMany, "slow down");
  slow.retry_after = 400ms;
  world.failures = {slow};
  world.add("a", 60s);
  world.run_for(1s);
  CHECK(world.applies == std::vector<std::chrono::milliseconds>{0ms, 400ms});
}

TEST_CASE("Losing the right to write drops the key until a change names it again") {
  World world;
  world.failures = {ei::make_error(ErrorKind::Canceled, "not the leader")};
  auto const key = world.add("a");
  world.run_for(1min);
  CHECK(world.applies.size() == 1);
  world.change(key);
  world.run_for(0ms);
  CHECK(world.applies.size() == 2);
}

TEST_CASE(
    "A failure that does not pass by itself is told after some seconds, and is lasting after a minute") {
  World world;
  auto const key = world.add("a", 15s);
  world.fail_always(ei::make_error(ErrorKind::Unavailable, "Deployment a-worker: webhook is down"));
  world.run_for(1s);
  CHECK(world.condition(key, "Reconciling") == "True Starting");
  world.run_for(5s);
  CHECK(world.condition(key, "Reconciling") == "True WriteFails");
  CHECK(world.condition(key, "Stalled").substr(0, 5) == "False");
  world.run_for(90s);
  CHECK(world.condition(key, "Stalled") == "True WriteFails");
  CHECK(std::count(world.told.begin(), world.told.end(), "WriteFails") == 2);
  world.failures.clear();
  world.run_for(1min);
  CHECK(world.condition(key, "Stalled").substr(0, 5) == "False");
  CHECK(world.condition(key, "Reconciling") == "True Starting");
}
