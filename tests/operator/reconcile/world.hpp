#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "operator/reconcile/settle.hpp"
#include "operator/reconcile/step.hpp"

namespace ei::reconcile::example {
using namespace std::chrono_literals;

/// Services in memory and time that only the test moves: what is applied is what is observed.
class World {
 public:
  api::ServiceKey add(std::string name, milliseconds interval = 1s) {
    plan::Observation seen;
    seen.metadata.name = std::move(name);
    seen.metadata.generation = 4;
    seen.spec = api::Spec{};
    seen.spec->scaling.interval = interval;
    auto const key = seen.metadata.key();
    services[key] = seen;
    change(key);
    return key;
  }
  void change(api::ServiceKey const& key) { queue_.add(key, now_.steady); }
  /// A dispatcher tells of the first request.
  void call(api::ServiceKey const& key) {
    memories_[key].called = true;
    change(key);
  }
  void watch(api::ServiceKey const& key) { memories_[key].watched = true; }
  /// Every write of children from now on fails so.
  void fail_always(Error const& error) { failures.assign(1000, error); }
  /// `Status Reason` of a condition as it was written.
  std::string condition(api::ServiceKey const& key, std::string_view type) {
    auto const* found = find_condition(services[key].status.conditions, type);
    return found == nullptr ? "absent" : std::string(to_string(found->status)) + " " + found->reason;
  }

  /// Runs every reconcile that is due until `time` from now.
  void run_for(milliseconds time) {
    auto const end = now_.steady + time;
    for (auto due = queue_.next_due(); due && *due <= end; due = queue_.next_due()) {
      if (*due > now_.steady) pass(*due - now_.steady);
      auto const key = queue_.take(now_.steady);
      REQUIRE(key);
      run(*key);
      give_answers();
    }
    pass(end - now_.steady);
  }

  std::map<api::ServiceKey, plan::Observation> services;
  std::deque<Error> failures;                       ///< of the next writes of children
  std::deque<Error> scale_failures;                 ///< of the next writes of the count alone
  std::deque<Error> tell_failures;                  ///< of the next events and statuses
  std::vector<scrape::Target> asked;                ///< of the last scrape
  std::vector<scrape::Awaited> awaited;             ///< whose next request was to be told, at last
  bool idle = false;                                ///< what the last reconcile said
  std::optional<scaling::Sample> sample;            ///< what a scrape gives
  std::vector<std::chrono::milliseconds> applies;   ///< of children, or clearing away: when, since the start
  std::vector<std::chrono::milliseconds> scalings;  ///< of the count alone
  std::vector<std::string> ids;                     ///< of decisions
  std::string formula;                              ///< of the last decision
  std::vector<std::string> told;                    ///< reasons of events that came to pass
  std::set<api::ServiceKey> removed;
  std::vector<Post> posts;                                  ///< to webhooks
  std::function<std::optional<scaling::Answer>()> webhook;  ///< what they answer; nothing: they hang
  int scrapes = 0;
  int status_writes = 0;
  int gone = 0;

  /// The answer of a post that hung.
  void answer_late(api::ServiceKey const& key, scaling::Answer answer) {
    answers_.emplace_back(key, std::move(answer));
    give_answers();
  }

 private:
  /// Answers come while no reconcile runs.
  void give_answers() {
    for (auto& [key, answer] : std::exchange(answers_, {})) {
      auto& memory = memories_[key].webhook;
      if (memory && take_answer(*memory, std::move(answer), now_.steady)) queue_.add(key, now_.steady);
    }
  }

  void pass(std::chrono::nanoseconds time) {
    now_.steady += time;
    now_.wall += std::chrono::duration_cast<WallTime::duration>(time);
  }

  void run(api::ServiceKey const& key) {
    auto& memory = memories_[key];
    Step step(key, memory, ids_);
    auto action = step.start();
    while (!std::holds_alternative<Done>(action)) {
      Input input = Observed{make_error(ErrorKind::NotFound, "gone")};
      if (std::holds_alternative<Observe>(action)) {
        if (services.count(key) > 0) input = Observed{services[key]};
      } else if (auto const* wanted = std::get_if<Scrape>(&action)) {
        ++scrapes;
        asked = wanted->targets;
        scrape::Scrape answer;
        answer.sample = sample;
        if (sample) answer.arrivals.assign(asked.size(), sample->arrivals);
        if (!sample) answer.fault = "nobody answers";
        if (answer.sample) answer.sample->at = now_.steady;
        input = Scraped{answer};
      } else if (auto const* post = std::get_if<Post>(&action)) {
        posts.push_back(*post);
        if (auto answer = webhook()) answers_.emplace_back(key, std::move(*answer));
        input = Posted{};
      } else {
        auto const& apply = std::get<Apply>(action);
        if (apply.decided != nullptr) {
          ids.push_back(apply.decided->verdict.decision_id);
          formula = apply.decided->verdict.decision->formula;
        }
        input = Applied{perform(key, apply)};
      }
      action = step.take(std::move(input), now_);
    }
    auto const& done = std::get<Done>(action);
    idle = done.idle;
    if (!done.awaited.empty()) awaited = done.awaited;
    if (done.applied != nullptr) {
      for (auto const& each : *done.applied) {
        if (auto const* event = std::get_if<plan::RecordEvent>(&each)) told.push_back(event->reason);
      }
    }
    // NOLINTNEXTLINE: what the delay is, the times of the applies say
    (void)settle(queue_, key, done.outcome, memory.due(), now_.steady);
    if (done.outcome && *done.outcome == Next::Gone) {
      memories_.erase(key);
      ++gone;
    }
  }

  template <class Wanted>
  static bool has(plan::Actions const& actions) {
    return std::any_of(actions.begin(), actions.end(),
                       [](auto const& each) { return std::holds_alternative<Wanted>(each); });
  }

  static Result<void> next_of(std::deque<Error>& failures) {
    if (failures.empty()) return {};
    auto failure = failures.front();
    failures.pop_front();
    return failure;
  }

  Result<void> perform(api::ServiceKey const& key, Apply const& apply) {
    auto const when = std::chrono::duration_cast<std::chrono::milliseconds>(now_.steady - kStart);
    bool const tells = has<plan::RecordEvent>(*apply.actions) || has<plan::WriteStatus>(*apply.actions);
    bool const scales = has<plan::ScaleWorkers>(*apply.actions);
    if (!tells) (scales ? scalings : applies).push_back(when);
    auto failed = next_of(tells ? tell_failures : scales ? scale_failures : failures);
    if (!failed) return failed;
    for (auto const& action : *apply.actions) {
      if (auto const* workers = std::get_if<plan::EnsureWorkers>(&action)) {
        services.at(key).worker_replicas = workers->replicas;
      } else if (auto const* scale = std::get_if<plan::ScaleWorkers>(&action)) {
        if (services.at(key).worker_replicas) services.at(key).worker_replicas = scale->replicas;
      } else if (auto const* write = std::get_if<plan::WriteStatus>(&action)) {
        services.at(key).status = write->status;
        ++status_writes;
      } else if (std::holds_alternative<plan::RemoveChildren>(action)) {
        removed.insert(key);
      }
    }
    return {};
  }

  static constexpr SteadyTime kStart{1h};
  Now now_{kStart, WallTime(1000h)};
  Workqueue queue_;
  std::map<api::ServiceKey, Memory> memories_;
  DecisionIds ids_{"x"};
  std::vector<std::pair<api::ServiceKey, scaling::Answer>> answers_;  ///< on their way
};

}  // namespace ei::reconcile::example
