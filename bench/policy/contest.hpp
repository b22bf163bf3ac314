#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/policy/contestant.hpp"
#include "bench/sim/outcome.hpp"
#include "bench/sim/scalers.hpp"
#include "bench/sim/shapes.hpp"

namespace ei::bench {

/// One load under one set of circumstances, which every contestant meets alike.
struct Match {
  std::string shape;
  Trace trace;  ///< scaled already
  double service_ms = 0;
  double service_cv2 = 0.01;  ///< a network's forward pass hardly varies; 10 % is decoding and the machine
  double rate_scale = 1;
  double start_s = 3;
  double worker_cores = 1;  ///< what one is allocated; its service times are those that it takes on them
  double metrics_lost_from_s = 0;
  double metrics_lost_to_s = 0;
  double start_failure_ratio = 0;
  double mean_life_s = 0;

  bool has_faults() const { return metrics_lost_to_s > 0 || start_failure_ratio > 0 || mean_life_s > 0; }
};

struct Cell {
  Match const* match = nullptr;
  Player player;
  Summary summary;         ///< percentiles of all runs' requests together, the rest their mean
  double worst_p99_s = 0;  ///< of the runs
  Outcome first;           ///< the first run's, for plots
  bool late_lane = false;  ///< whether its dispatcher's queue had one
};

struct Rules {
  scaling::Settings settings;  ///< minimum, maximum and target hold for every contestant
  int runs = 5;  ///< each with its own spacing of arrivals, service times, clock phases and faults
  std::uint64_t seed = 1;
  /// The dispatcher's late lane for everybody, as in a real run. Else a baseline, which knows no such lane,
  /// meets each match both with it and first come, first served, and the better p99 counts.
  bool lane_for_all = false;
};

/// The same match, contestant and rules give the same cell on every machine, with a program as far as its
/// answers are the same. A program is started anew for each run. Errors: what a program did wrong, with its
/// name, the match, the run, the second and the line.
Result<Cell> play(Match const& match, Player const& player, Rules const& rules);

/// Says which match it is: `course: service 30 ms, rate x4.2, start 3 s`.
std::string title(Match const& match);

/// Whether the clairvoyant's plans for this match are found within about a minute.
bool can_plan(Match const& match, Rules const& rules);

/// The scenario of one run.
Scenario scenario_of(Match const& match, Rules const& rules, int run);

/// The matches of the comparison; `quick`: the course shape at 3 s start alone.
std::vector<Match> grid(bool quick);

/// One match of the caller's own measurements, as it stands.
struct Measured {
  double service_ms = 0;  ///< 0: nothing was measured
  double service_cv2 = 0.01;
  double start_s = 3;
  double worker_cores = 1;
};
Match match_of(Trace trace, Measured const& measured);

/// The matches for a trace of the caller's: at each service time scaled as the course
/// trace is, and as it stands.
std::vector<Match> matches_of(Trace const& trace, bool quick);

}  // namespace ei::bench
