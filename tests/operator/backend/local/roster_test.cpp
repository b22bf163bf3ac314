#include "operator/backend/local/roster.hpp"

#include <catch2/catch.hpp>

#include "tests/operator/backend/local/roster_stage.hpp"

using namespace ei;
using namespace ei::backend::local;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

/// One dispatcher and two workers that are ready: a-dispatcher-1, a-worker-2, a-worker-3.
struct Running : RosterStage {
  Running() {
    want(1, 2);
    for (auto const* name : {"a-dispatcher-1", "a-worker-2", "a-worker-3"}) {
      listens(name);
      becomes_ready(name);
    }
    (void)done();
  }
};

}  // namespace

TEST_CASE("roster: nothing is started before it is wanted") {
  RosterStage stage;
  stage.act();
  stage.roster.want_workers(3);  // of none that were asked for
  stage.act();
  CHECK(stage.done().empty());
  CHECK_FALSE(stage.roster.workers_wanted());
  CHECK_FALSE(stage.roster.next_time());
}

TEST_CASE("roster: workers start when the dispatchers' sockets are open") {
  RosterStage stage;
  stage.roster.want_workers(stage.spec, 2);
  stage.act();
  CHECK(stage.done().empty());
  stage.roster.want_dispatchers(stage.spec, 2);
  stage.act();
  CHECK(stage.done() ==
        Words{"start a-dispatcher-1", "start a-dispatcher-2", "start a-worker-3", "start a-worker-4"});
  auto const& words = stage.process("a-worker-3")->command.argv;
  CHECK(std::count(words.begin(), words.end(), "127.0.0.1:1012") == 1);
  CHECK(std::count(words.begin(), words.end(), "127.0.0.1:1022") == 1);
  CHECK(stage.roster.cores_taken().size() == 2);
  stage.act();
  CHECK(stage.done().empty());
}

TEST_CASE("roster: a crash is made good after a delay that doubles up to ten seconds") {
  Running stage;
  auto name = std::string("a-worker-2");
  int number = 3;
  for (auto const delay :
       {10ms, 20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1280ms, 2560ms, 5120ms, 10'000ms, 10'000ms}) {
    CAPTURE(name, delay.count());
    stage.ends(name);
    CHECK(stage.done().empty());
    CHECK(stage.roster.next_time() == stage.now.steady + delay);
    stage.pass(delay - 1ms);
    CHECK(stage.done().empty());
    stage.pass(1ms);
    name = "a-worker-" + std::to_string(++number);
    CHECK(stage.done() == Words{"start " + name});
  }
  auto const trouble = stage.observed().workers.front().trouble;
  REQUIRE(trouble);
  CHECK(trouble->reason == "Crashed");
  CHECK(trouble->message == "a-worker-14 exited with 1, the next start is 10000 ms later");
  CHECK(trouble->lasting);
  stage.becomes_ready(name);
  CHECK_FALSE(stage.observed().workers.front().trouble);
}

TEST_CASE("roster: a process that lasted ten seconds begins a new count of failures") {
  Running stage;
  stage.ends("a-worker-2");
  stage.pass(10ms);
  stage.pass(kLasted);
  stage.ends("a-worker-4");
  CHECK(stage.roster.next_time() == stage.now.steady + 10ms);
  CHECK_FALSE(stage.observed().workers.front().trouble->lasting);
}

TEST_CASE("roster: a process that cannot be started is tried again, as after a crash") {
  RosterStage stage;
  stage.broken = true;
  stage.want(1, 1);
  CHECK(stage.done() == Words{"cannot start a-dispatcher-1"});
  CHECK(stage.observed().dispatchers.front().trouble->message ==
        "a-dispatcher-1 did not start: no such file, the next start is 10 ms later");
  stage.pass(10ms);
  CHECK(stage.done() == Words{"cannot start a-dispatcher-2"});
  stage.broken = false;
  stage.pass(20ms);
  CHECK(stage.done() == Words{"start a-dispatcher-3", "start a-worker-4"});
}

TEST_CASE("roster: a dispatcher that crashed starts on the same sockets") {
  Running stage;
  auto const endpoint = stage.observed().endpoint;
  CHECK(endpoint == "http://127.0.0.1:1010");
  stage.ends("a-dispatcher-1");
  stage.pass(10ms);
  CHECK(stage.done() == Words{"start a-dispatcher-4"});
  CHECK(stage.observed().endpoint == endpoint);
  CHECK(stage.opened == 1);
}

TEST_CASE("roster: scaling down asks to leave, and kills only what stays beyond its grace") {
  Running stage;
  stage.roster.want_workers(0);
  stage.act();
  CHECK(stage.done() == Words{"leave a-worker-3", "leave a-worker-2"});
  stage.ends("a-worker-2");
  stage.pass(30s + kKillAfter - 1ms);
  CHECK(stage.done().empty());
  stage.pass(1ms);
  CHECK(stage.done() == Words{"kill a-worker-3"});
  stage.pass(1h);
  CHECK(stage.done().empty());
  CHECK(stage.observed().workers.front().terminating);
  stage.ends("a-worker-3");
  CHECK(stage.observed().workers.empty());
  CHECK_FALSE(stage.roster.next_time());
}

TEST_CASE("roster: scaling down gives up the worker that is not ready") {
  Running stage;
  stage.roster.became_unready(stage.process("a-worker-2"), stage.now);
  CHECK(stage.observed().workers.front().not_ready_since == stage.now.wall);
  CHECK(stage.observed().workers.front().first_ready);
  stage.roster.want_workers(1);
  stage.act();
  CHECK(stage.done() == Words{"leave a-worker-2"});
}

TEST_CASE("roster: scaling up starts what is missing, and leaves the leaving alone") {
  Running stage;
  stage.roster.want_workers(1);
  stage.act();
  stage.roster.want_workers(3);
  stage.act();
  CHECK(stage.done() == Words{"leave a-worker-3", "start a-worker-4", "start a-worker-5"});
  CHECK(stage.observed().workers.size() == 4);
  CHECK(stage.observed().worker_replicas == 3);
}

TEST_CASE("roster: an edited model replaces one worker at a time, each by one that is ready") {
  Running stage;
  stage.spec.model.uri = "file:///m/new.pth";
  stage.want(1, 2);
  CHECK(stage.done() == Words{"start a-worker-4"});
  CHECK(stage.observed().workers.size() == 3);
  CHECK(stage.observed().workers[0].outdated);
  CHECK_FALSE(stage.observed().workers[1].outdated);
  stage.becomes_ready("a-worker-4");
  CHECK(stage.done() == Words{"leave a-worker-2", "start a-worker-5"});
  stage.ends("a-worker-2");
  stage.becomes_ready("a-worker-5");
  CHECK(stage.done() == Words{"leave a-worker-3"});
  stage.ends("a-worker-3");
  CHECK(stage.done().empty());
}

TEST_CASE("roster: the next worker is given up when it is outdated, or not needed any more") {
  Running stage;
  auto const first = stage.spec;
  stage.spec.model.uri = "file:///m/new.pth";
  stage.want(1, 2);
  CHECK(stage.done() == Words{"start a-worker-4"});
  stage.spec.model.uri = "file:///m/newer.pth";
  stage.want(1, 2);
  CHECK(stage.done() == Words{"leave a-worker-4", "start a-worker-5"});
  stage.spec = first;
  stage.want(1, 2);
  CHECK(stage.done() == Words{"leave a-worker-5"});
  // It never was ready: it has nothing to finish.
  stage.pass(kUnreadyGrace);
  CHECK(stage.done() == Words{"kill a-worker-4", "kill a-worker-5"});
}

TEST_CASE("roster: a next worker that crashes is tried again while the old one serves") {
  Running stage;
  stage.spec.model.uri = "file:///m/broken.pth";
  stage.want(1, 2);
  stage.ends("a-worker-4");
  CHECK(stage.done() == Words{"start a-worker-4"});
  auto const seen = stage.observed();
  REQUIRE(seen.workers.size() == 3);
  CHECK(seen.workers[0].ready);
  CHECK(seen.workers[1].name == "a-worker-waiting-1");
  CHECK(seen.workers[1].trouble->reason == "Crashed");
  stage.pass(10ms);
  CHECK(stage.done() == Words{"start a-worker-5"});
}

TEST_CASE("roster: the trouble of a next worker ends with the edit that wanted it") {
  Running stage;
  auto const first = stage.spec;
  stage.spec.model.uri = "file:///m/broken.pth";
  stage.want(1, 2);
  stage.ends("a-worker-4");
  CHECK(stage.observed().workers[0].trouble);
  stage.spec = first;
  stage.want(1, 2);
  CHECK(stage.observed().workers.size() == 2);
  CHECK_FALSE(stage.observed().workers[0].trouble);
}

TEST_CASE("roster: where the old worker ends, the next one takes its place before it is ready") {
  Running stage;
  stage.spec.model.uri = "file:///m/new.pth";
  stage.want(1, 2);
  (void)stage.done();
  stage.ends("a-worker-2");
  CHECK(stage.observed().workers.front().name == "a-worker-4");
}

TEST_CASE("roster: an edited model replaces workers that are not ready at once") {
  RosterStage stage;
  stage.want(1, 2);
  (void)stage.done();
  stage.spec.model.uri = "file:///m/new.pth";
  stage.want(1, 2);
  CHECK(stage.done() ==
        Words{"leave a-worker-2", "start a-worker-4", "leave a-worker-3", "start a-worker-5"});
}

TEST_CASE("roster: an edited dispatcher finishes before its successor starts on its sockets") {
  Running stage;
  stage.spec.dispatcher.queue_capacity = 7;
  stage.want(1, 2);
  CHECK(stage.done() == Words{"leave a-dispatcher-1"});
  CHECK(stage.observed().dispatchers.front().outdated);
  CHECK_FALSE(stage.observed().dispatchers.front().ready);
  stage.want(1, 2);
  CHECK(stage.done().empty());
  stage.ends("a-dispatcher-1");
  CHECK(stage.done() == Words{"start a-dispatcher-4"});
  CHECK(stage.opened == 1);
}

TEST_CASE("roster: a dispatcher that is not wanted any more leaves, and its sockets are closed") {
  RosterStage stage;
  stage.want(2, 1);
  (void)stage.done();
  stage.want(1, 1);
  // The worker's command line named the second dispatcher.
  CHECK(stage.done() == Words{"leave a-dispatcher-2", "close 1", "leave a-worker-3", "start a-worker-4"});
  CHECK(stage.observed().dispatchers.size() == 1);
}

TEST_CASE("roster: a worker that is to be replaced leaves, and another starts at once") {
  Running stage;
  stage.roster.replace_worker("a-worker-9", stage.now);
  stage.act();
  CHECK(stage.done().empty());
  stage.roster.replace_worker("a-worker-2", stage.now);
  stage.act();
  CHECK(stage.done() == Words{"leave a-worker-2", "start a-worker-4"});
}

TEST_CASE("roster: a service ends with its dispatchers, then its workers, and nothing starts again") {
  Running stage;
  stage.roster.stop();
  stage.act();
  CHECK(stage.done() == Words{"close 0", "leave a-dispatcher-1"});
  stage.ends("a-worker-2");  // a crash meanwhile
  stage.want(2, 3);
  CHECK(stage.done().empty());
  stage.ends("a-dispatcher-1");
  CHECK(stage.done() == Words{"leave a-worker-3"});
  stage.pass(30s + kKillAfter);
  CHECK(stage.done() == Words{"kill a-worker-3"});
  stage.ends("a-worker-3");
  CHECK(stage.done().empty());
  CHECK(stage.roster.running().empty());
}

TEST_CASE("roster: the workers of a service that ends stay for a dispatcher that left before") {
  RosterStage stage;
  stage.want(2, 1);
  stage.want(1, 1);
  (void)stage.done();
  stage.roster.stop();
  stage.act();
  CHECK(stage.done() == Words{"close 0", "leave a-dispatcher-1"});
  stage.ends("a-dispatcher-1");
  CHECK(stage.done().empty());
  stage.ends("a-dispatcher-2");
  CHECK(stage.done() == Words{"leave a-worker-4"});
}

TEST_CASE("roster: a dispatcher is seen with its address, its process and whether it is ready") {
  RosterStage stage;
  stage.want(1, 1);
  auto seen = stage.observed().dispatchers.front();
  CHECK(seen.name == "a-dispatcher-1");
  CHECK(seen.metrics_url.empty());
  stage.listens("a-dispatcher-1");
  stage.becomes_ready("a-dispatcher-1");
  seen = stage.observed().dispatchers.front();
  CHECK(seen.metrics_url == "http://127.0.0.1:9000/metrics");
  CHECK(seen.incarnation == "a-dispatcher-1");
  CHECK(seen.ready);
  stage.ends("a-dispatcher-1");
  seen = stage.observed().dispatchers.front();
  CHECK(seen.name == "a-dispatcher");
  CHECK_FALSE(seen.ready);
}
