#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "tests/dispatcher/exchange_stage.hpp"
#include "tests/dispatcher/seed.hpp"

using namespace ei;
using namespace ei::dispatcher;
using namespace ei::dispatcher::test;
using namespace std::chrono_literals;

TEST_CASE("whatever happens, every request has exactly one outcome") {
  auto const seed = test_seed();
  INFO("EI_SEED=" << seed);
  std::mt19937 random(seed);
  std::size_t quarantines = 0;
  // Some seeds come to no quarantine in thirty runs.
  for (int run = 0; run < 30 || (quarantines == 0 && run < 300); ++run) {
    Stage stage({.queue = {.capacity = 1 + random() % 20, .capacity_bytes = 1 << 20, .late_after = {}},
                 .batch = {.max_size = 1 + random() % 3, .max_delay = 2ms},
                 .latency_target = run % 2 == 0 ? 0ms : 20ms,
                 .job_timeout = 300ms});
    std::vector<std::pair<std::string, std::shared_ptr<Submission>>> requests;
    std::vector<std::string> alive;
    Time now{};
    int accepted = 0;
    for (int step = 0; step < 1500; ++step) {
      now += std::chrono::microseconds(random() % 3000);
      FakeWorker* worker = alive.empty() ? nullptr : &stage.workers.at(alive[random() % alive.size()]);
      switch (random() % 10) {
        case 0:
        case 1:
        case 2: {
          std::string const name = "r" + std::to_string(step) + "-";
          auto request =
              stage.request(name, now + std::chrono::milliseconds(1 + random() % (run % 3 == 0 ? 1000 : 200)),
                            1 + random() % 3);
          // Some are copies of others.
          for (auto& picture : request->pictures) {
            if (random() % 2 == 0) picture.bytes = "same" + std::to_string(random() % 4);
          }
          if (stage.exchange.submit(request, now)) {
            ++accepted;
            requests.emplace_back(name, request);
          }
          break;
        }
        case 3:
          if (alive.size() < 4) {
            std::string const name = "w" + std::to_string(step);
            stage.worker(name, 1 + random() % 2, now);
            alive.push_back(name);
          }
          break;
        case 4:
        case 5:
          if (worker == nullptr) break;
          if (random() % 8 == 0) {
            stage.exchange.standby(worker->id, now);
          } else {
            (void)stage.exchange.ready(worker->id, now);
          }
          break;
        case 6:
        case 7:
          if (worker != nullptr && !worker->jobs.empty()) {
            auto const job = worker->jobs.front();
            worker->jobs.erase(worker->jobs.begin());
            REQUIRE(stage.exchange.result(worker->id, Stage::result_of(job), now).has_value());
          }
          break;
        case 8:
          if (worker != nullptr && random() % 4 == 0) {
            auto const how = random() % 3;
            if (how == 0) stage.exchange.bye(worker->id);
            if (how == 1 && !worker->jobs.empty())
              REQUIRE(stage.exchange.overrun(worker->id, worker->jobs.front().id, now));
            stage.exchange.detach(worker->id, now, random() % 4 == 0 ? Ended::Broken : Ended::Lost);
            std::erase_if(alive, [&](auto const& name) { return &stage.workers.at(name) == worker; });
          } else if (!requests.empty()) {
            stage.exchange.cancel(requests[random() % requests.size()].second, now);
          }
          break;
        default:
          if (stage.exchange.next_tick() <= now) stage.exchange.tick(now);
          REQUIRE(stage.exchange.next_tick() > now);
          break;
      }
    }
    now += 1s;
    stage.exchange.tick(now);
    CHECK(stage.exchange.open() == 0);
    CHECK(stage.exchange.queue().empty());
    CHECK(stage.exchange.queue().held() == 0);
    for (auto const& picture : stage.quarantines) CHECK(picture.deaths >= 2);
    quarantines += stage.quarantines.size();
    CHECK(stage.done.size() == static_cast<std::size_t>(accepted));
    for (auto const& [name, request] : requests) {
      REQUIRE(request->outcome);
      REQUIRE(stage.done.at(name) == 1);
      if (request->outcome->has_error()) continue;
      auto const& answers = **request->outcome;
      REQUIRE(answers.size() == request->pictures.size());
      for (std::size_t i = 0; i < answers.size(); ++i) {
        REQUIRE(answers[i].top.at(0).label == request->pictures[i].bytes);  // nobody gets another's answer
      }
    }
  }
  CHECK(quarantines > 0);
}
