// A machine for a Roster that a test plays: processes that start, end and leave when the test says so, and a
// clock that only the test moves.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "operator/backend/local/roster.hpp"

namespace ei::backend::local {

struct RosterStage {
  RosterStage() : roster(settings(), {"default", "a"}, numbers) { spec.model.uri = "builtin://shapes"; }

  static Settings settings() {
    Settings made;
    made.programs = "/programs";
    made.run_dir = "/run";
    return made;
  }

  // ---- the shell

  /// Does what the roster says, until it says no more.
  void act() {
    for (auto orders = roster.step(now); !orders.empty(); orders = roster.step(now)) {
      for (auto const& order : orders) std::visit([&](auto const& each) { perform(each); }, order);
    }
  }

  void perform(Start const& order) {
    auto const& instance = order.instance;
    seen.push_back(instance);
    if (broken) {
      log.push_back("cannot start " + instance->name);
      roster.not_started(instance, "no such file", now);
      return;
    }
    if (order.place && !sockets.contains(*order.place)) {
      auto const base = static_cast<std::uint16_t>(1000 + 10 * ++opened);
      auto const port = [&](int more) { return static_cast<std::uint16_t>(base + more); };
      sockets[*order.place] = Ports{base, port(1), port(2), port(3)};
      roster.opened(*order.place, sockets[*order.place]);
    }
    if (!order.place) instance->command.core = 0;
    roster.started(instance, 100 + static_cast<int>(seen.size()));
    log.push_back("start " + instance->name);
  }
  void perform(Leave const& order) { log.push_back("leave " + order.instance->name); }
  void perform(Kill const& order) { log.push_back("kill " + order.instance->name); }
  void perform(Resize const& order) {
    log.push_back((order.instance->standby ? "demote " : "promote ") + order.instance->name);
  }
  void perform(CloseSockets const& order) {
    log.push_back("close " + std::to_string(order.place));
    sockets.erase(order.place);
  }

  // ---- what happens

  /// Time goes on, and whatever the roster wanted to do meanwhile is done at its time.
  void pass(milliseconds duration) {
    auto const until = now.steady + duration;
    while (roster.next_time() && *roster.next_time() <= until) {
      move_to(std::max(*roster.next_time(), now.steady));
      act();
    }
    move_to(until);
    act();
  }
  void move_to(SteadyTime time) {
    now.wall += std::chrono::duration_cast<WallTime::duration>(time - now.steady);
    now.steady = time;
  }
  void want(int dispatchers, int workers, int standby = 0) {
    roster.want_dispatchers(spec, dispatchers);
    act();
    roster.want_workers(spec, workers, standby);
    act();
  }
  void ends(std::string const& name) {
    roster.ended(process(name), "exited with 1", now);
    act();
  }
  void listens(std::string const& name) {
    roster.listening(process(name), Ports{8001, 9000, 8002, 8003});
    act();
  }
  void becomes_ready(std::string const& name) {
    roster.became_ready(process(name), now);
    act();
  }

  // ---- what there is

  [[nodiscard]] InstancePtr process(std::string const& name) const {
    for (auto const& each : seen) {
      if (each->name == name) return each;
    }
    FAIL("no process is called " << name);
    return nullptr;
  }
  /// What was done since the last question.
  [[nodiscard]] std::vector<std::string> done() { return std::exchange(log, {}); }
  [[nodiscard]] plan::Observation observed() const {
    plan::Observation out;
    out.spec = spec;
    roster.observe(out, now);
    return out;
  }

  int numbers = 0;
  Roster roster;
  api::Spec spec;
  Moment now{SteadyTime(std::chrono::hours(1)), WallTime(std::chrono::hours(500'000))};
  bool broken = false;  ///< nothing can be started
  std::vector<InstancePtr> seen;
  std::map<std::size_t, Ports> sockets;
  int opened = 0;
  std::vector<std::string> log;
};

}  // namespace ei::backend::local
