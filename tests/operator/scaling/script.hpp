#pragma once

#include <cmath>
#include <string>

#include "operator/scaling/decide.hpp"

namespace ei::scaling::test {

inline Time at(double seconds) {
  return Time(std::chrono::duration_cast<Time::duration>(Seconds(seconds)));
}

/// A service under a steady load, one sample and decision a second; tests bend what they are about.
struct Script {
  Settings settings;
  State state;
  Sample sample;
  Workers workers;
  std::optional<Answer> answer;
  double now_seconds = 100;
  double rate_rps = 0;
  double service_seconds = 0.1;
  double service_cv2 = 0;
  bool blind = false;    ///< scrapes fail, the load goes on
  bool called = false;   ///< a dispatcher told of a request
  bool untried = false;  ///< the spec is new
  bool obedient = true;  ///< decisions are carried out at once, and their workers are ready

  explicit Script(int current = 1) { set_workers(current); }

  void set_workers(int count, int ready = -1) {
    workers.current = count;
    workers.list.clear();
    for (int i = 0; i < count; ++i) {
      bool const is_ready = ready < 0 || i < ready;
      workers.list.push_back({"w" + std::to_string(i), is_ready, is_ready ? 0 : 1.0, {}});
    }
  }

  Snapshot snapshot() {
    sample.at = at(now_seconds);
    return {blind ? std::nullopt : std::optional(sample), workers, answer, called, untried};
  }

  /// One interval of load, then a decision.
  Decision step(double seconds = 1) {
    now_seconds += seconds;
    double const served = rate_rps * seconds;
    sample.arrivals += served;
    sample.completions += served;
    sample.service_seconds += served * service_seconds;
    sample.service_seconds_squared += served * service_seconds * service_seconds * (1 + service_cv2);
    Decision const decision = decide(settings, state, snapshot(), at(now_seconds));
    if (obedient && decision.to != workers.current) set_workers(decision.to);
    return decision;
  }

  Decision run(int steps) {
    Decision last;
    for (int i = 0; i < steps; ++i) last = step();
    return last;
  }
};

}  // namespace ei::scaling::test
