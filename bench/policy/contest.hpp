#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/policy/contestant.hpp"
#include "bench/sim/shapes.hpp"
#include "bench/sim/simulation.hpp"
#include "operator/schedule/entry.hpp"
#include "operator/simulation/outcome.hpp"
#include "operator/simulation/scalers.hpp"

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

struct Rules {
  scaling::Settings settings;  ///< minimum, maximum and target hold for every contestant
  int runs = 5;  ///< each with its own spacing of arrivals, service times, clock phases and faults
  std::uint64_t seed = 1;
  /// The dispatcher's late lane for everybody, as in a real run. Else a baseline, which knows no such lane,
  /// meets each match both with it and first come, first served, and the better p99 counts.
  bool lane_for_all = false;
  /// Bounds by the clock, of our own policies and of programs, as on a service. The models of other systems
  /// know no clock.
  std::vector<schedule::Entry> schedule{};
  WallTime begin{};                              ///< of each trace
  std::vector<std::chrono::milliseconds> slo{};  ///< more targets to count by, besides the settings' own
};

/// How a contestant did by one more target.
struct SloResult {
  double late_ratio = 0;
  double goodput_per_core_second = 0;  ///< requests within the target
};

/// Reads `500ms,750ms`: up to four durations of the range of `latencyTarget`, or nothing. Errors: Invalid.
Result<std::vector<std::chrono::milliseconds>> read_slo(std::string const& text);

struct Cell {
  Match const* match = nullptr;
  Player player;
  Summary summary;         ///< percentiles of all runs' requests together, the rest their mean
  double worst_p99_s = 0;  ///< of the runs
  /// What nobody can go below with at most 1 % late, in core-seconds; the runs' mean.
  /// With Latency's cells alone.
  double bound_core_seconds = 0;
  Outcome first;                 ///< the first run's, for plots
  std::vector<SloResult> slo{};  ///< one for each of the rules' targets
  bool late_lane = false;        ///< whether its dispatcher's queue had one
};

/// The same match, contestant and rules give the same cell on every machine, with a program as far as its
/// answers are the same. A program is started anew for each run. Errors: what a program did wrong, with its
/// name, the match, the run, the second and the line.
Result<Cell> play(Match const& match, Player const& player, Rules const& rules);

/// Says which match it is: `course: service 30 ms, rate x4.2, start 3 s`.
std::string title(Match const& match);

/// Whether the planner's plans for this match are found within about a minute.
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
/// trace is, and as it stands; or the latter alone.
std::vector<Match> matches_of(Trace const& trace, bool quick, bool as_it_stands);

}  // namespace ei::bench
