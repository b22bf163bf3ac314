#include "operator/reconcile/step.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <set>

#include "operator/reconcile/settle.hpp"

namespace api = ei::api;
namespace plan = ei::plan;
namespace reconcile = ei::reconcile;
using namespace std::chrono_literals;
using ei::Error;
using ei::ErrorKind;
using ei::Result;

namespace {

/// Services in memory and time that only the test moves: what is applied is what is observed.
class World {
 public:
  api::ServiceKey add(std::string name, ei::milliseconds interval = 1s) {
    plan::Observation seen;
    seen.metadata.name = std::move(name);
    seen.spec = api::Spec{};
    seen.spec->scaling.interval = interval;
    auto const key = seen.metadata.key();
    services[key] = seen;
    change(key);
    return key;
  }
  void change(api::ServiceKey const& key) { queue_.add(key, now_.steady); }

  /// Runs every reconcile that is due until `time` from now.
  void run_for(ei::milliseconds time) {
    auto const end = now_.steady + time;
    for (auto due = queue_.next_due(); due && *due <= end; due = queue_.next_due()) {
      if (*due > now_.steady) pass(*due - now_.steady);
      auto const key = queue_.take(now_.steady);
      REQUIRE(key);
      run(*key);
    }
    pass(end - now_.steady);
  }

  std::map<api::ServiceKey, plan::Observation> services;
  std::deque<Error> failures;                 ///< of the next applies
  std::vector<ei::scrape::Target> asked;      ///< of the last scrape
  std::optional<ei::scaling::Sample> sample;  ///< what a scrape gives
  std::vector<std::chrono::milliseconds>
      applies;                        ///< when, since the start; without the telling of a refusal
  std::vector<std::string> ids;       ///< of decisions
  std::vector<std::string> told;      ///< reasons of events that came to pass
  std::vector<std::string> refusals;  ///< messages of events that tell of a refusal
  std::set<api::ServiceKey> removed;
  int scrapes = 0;
  int status_writes = 0;
  int gone = 0;

 private:
  void pass(std::chrono::nanoseconds time) {
    now_.steady += time;
    now_.wall += std::chrono::duration_cast<ei::WallTime::duration>(time);
  }

  void run(api::ServiceKey const& key) {
    auto& memory = memories_[key];
    reconcile::Step step(key, memory, ids_);
    auto action = step.start();
    bool telling = false;
    while (!std::holds_alternative<reconcile::Done>(action)) {
      reconcile::Input input = reconcile::Observed{ei::make_error(ErrorKind::NotFound, "gone")};
      if (std::holds_alternative<reconcile::Observe>(action)) {
        if (services.count(key) > 0) input = reconcile::Observed{services[key]};
      } else if (auto const* scrape = std::get_if<reconcile::Scrape>(&action)) {
        ++scrapes;
        asked = scrape->targets;
        ei::scrape::Scrape answer;
        answer.sample = sample;
        if (!sample) answer.fault = "nobody answers";
        if (answer.sample) answer.sample->at = now_.steady;
        input = reconcile::Scraped{answer};
      } else {
        auto const& apply = std::get<reconcile::Apply>(action);
        if (apply.decided != nullptr) ids.push_back(apply.decided->verdict.decision_id);
        auto outcome = perform(key, apply, telling);
        telling = !outcome;
        input = reconcile::Applied{outcome};
      }
      action = step.take(std::move(input), now_);
    }
    auto const& done = std::get<reconcile::Done>(action);
    if (done.applied != nullptr) {
      for (auto const& each : *done.applied) {
        if (auto const* event = std::get_if<plan::RecordEvent>(&each)) told.push_back(event->reason);
      }
    }
    // NOLINTNEXTLINE: what the delay is, the times of the applies say
    (void)reconcile::settle(queue_, key, done.outcome, memory.tick_due, now_.steady);
    if (done.outcome && *done.outcome == reconcile::Next::Gone) {
      memories_.erase(key);
      ++gone;
    }
  }

  Result<void> perform(api::ServiceKey const& key, reconcile::Apply const& apply, bool telling) {
    if (!telling) {
      applies.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(now_.steady - kStart));
      if (!failures.empty()) {
        auto const failure = failures.front();
        failures.pop_front();
        return failure;
      }
    }
    for (auto const& action : *apply.actions) {
      if (auto const* workers = std::get_if<plan::EnsureWorkers>(&action)) {
        services.at(key).worker_replicas = workers->replicas;
      } else if (auto const* write = std::get_if<plan::WriteStatus>(&action)) {
        services.at(key).status = write->status;
        ++status_writes;
      } else if (auto const* event = std::get_if<plan::RecordEvent>(&action); event && telling) {
        refusals.push_back(event->message);
      } else if (std::holds_alternative<plan::RemoveChildren>(action)) {
        removed.insert(key);
      }
    }
    return {};
  }

  static constexpr ei::SteadyTime kStart{1h};
  reconcile::Now now_{kStart, ei::WallTime(1000h)};
  reconcile::Workqueue queue_;
  std::map<api::ServiceKey, reconcile::Memory> memories_;
  reconcile::DecisionIds ids_{"x"};
};

}  // namespace

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

TEST_CASE("What is denied for good is asked for ever more rarely, and the owner is told once") {
  World world;
  auto const key = world.add("a");
  for (int i = 0; i < 1000; ++i) {
    world.failures.push_back(ei::make_error(ErrorKind::Forbidden, "exceeded quota: two"));
  }
  world.run_for(10min);
  // 5 ms doubled up to a minute: 14 tries in the first 82 s, then one a minute.
  CHECK(world.applies.size() <= 25);
  CHECK(world.refusals == std::vector<std::string>{"exceeded quota: two"});
  auto const* const told = find_condition(world.services[key].status.conditions, "WorkersReady");
  REQUIRE(told != nullptr);
  CHECK(told->status == api::ConditionStatus::False);
  CHECK(told->reason == "Refused");
  CHECK(told->message == "exceeded quota: two");
}

TEST_CASE("A failure that passes by itself is not told to the owner") {
  World world;
  world.add("a");
  for (auto const kind : {ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Conflict}) {
    world.failures.push_back(ei::make_error(kind, "away"));
  }
  world.run_for(1s);
  CHECK(world.refusals.empty());
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
  CHECK(world.applies.size() == 1);
  CHECK(find_condition(world.services[key].status.conditions, "Ready")->reason == "InvalidSpec");
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

TEST_CASE("One dispatcher more that is not ready yet is not asked; with too few that are ready, each is") {
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
