#include "operator/plan/verdict.hpp"

#include <catch2/catch.hpp>

#include "tests/operator/plan/example.hpp"

namespace plan = ei::plan;
using namespace ei::plan::example;
using namespace std::chrono_literals;

TEST_CASE("The policy sees the workers that are wanted, with their ages") {
  auto seen = service();
  seen.workers.push_back(starting_worker("worker-2", 3s));
  seen.workers.push_back(ready_worker("leaving"));
  seen.workers.back().terminating = true;
  auto const workers = plan::workers_of(seen, {}, kNow);
  CHECK(workers.current == 2);
  REQUIRE(workers.list.size() == 3);
  CHECK(workers.list[0].start_seconds.value() == Approx(2));
  CHECK(workers.list[0].not_ready_seconds == 0);
  CHECK(workers.list[2].not_ready_seconds == Approx(3));
  CHECK_FALSE(workers.list[2].start_seconds);
}

TEST_CASE("A worker of an edit that none has got ready with is no proven one") {
  auto seen = service();
  for (auto& each : seen.workers) each.outdated = true;
  seen.workers.push_back(starting_worker("new-0", 3s));
  auto const proven = [&] { return plan::workers_of(seen, {}, kNow).list.back().proven; };
  CHECK_FALSE(proven());
  CHECK(plan::workers_of(seen, {}, kNow).list.front().proven);
  seen.workers[2].first_ready = kNow - 1s;  // it was ready itself
  CHECK(proven());
  seen.workers[2].first_ready.reset();
  seen.workers[0].outdated = false;  // another one is
  CHECK(proven());
}

TEST_CASE("A clock that runs behind the cluster's gives no negative ages") {
  auto seen = service(0);
  seen.workers = {starting_worker("worker-0", -5s)};
  CHECK(plan::workers_of(seen, {}, kNow).list[0].not_ready_seconds == 0);
}

TEST_CASE(
    "Where nothing was created yet the count starts from what the status remembers, within the bounds") {
  auto seen = service(0);
  seen.worker_replicas.reset();
  ei::scaling::Settings settings;
  settings.min_replicas = 2;
  CHECK(plan::workers_of(seen, settings, kNow).current == 2);
  seen.status.desired_replicas = 4;
  CHECK(plan::workers_of(seen, settings, kNow).current == 4);
  seen.status.desired_replicas = 40;
  CHECK(plan::workers_of(seen, settings, kNow).current == 6);
}

TEST_CASE("A shortage bounds the settings, but never below one worker") {
  ei::api::Spec spec;
  spec.scaling.min_replicas = 3;
  auto const bounded = [&](std::optional<int> maximum) {
    auto const settings = plan::settings_in_force(spec, plan::Shortage{maximum, "", ""}, kNow).settings;
    return std::pair(settings.min_replicas, settings.max_replicas);
  };
  CHECK(bounded({}) == std::pair(3, 6));
  CHECK(bounded(9) == std::pair(3, 6));
  CHECK(bounded(4) == std::pair(3, 4));
  CHECK(bounded(2) == std::pair(2, 2));
  CHECK(bounded(0) == std::pair(1, 1));
  CHECK(plan::granted(steady(1), plan::Shortage{0, "", ""}) == 0);
}
