#pragma once

#include "operator/scaling/settings.hpp"
#include "operator/scaling/snapshot.hpp"
#include "operator/scaling/state.hpp"

#include <optional>

namespace ei::scaling {

/// What the history says about the work that arrives, and how many workers each part of it asks for.
struct Load {
  std::optional<double> arrival_rps;      ///< λ: mean over 10 s; empty until 3 s were seen
  std::optional<double> burst_rps;        ///< λ_b: where a rise that is under way leads; empty without one
  std::optional<State::Service> service;  ///< S and c²; empty before the first ten completions
  double offered = 0;                     ///< R = λS; 0 when either is unknown
  double wait_seconds = 0;                ///< w: the longest wait that still meets the target
  double start_seconds = 0;               ///< L̂

  /// Least workers that leave at most `accepted_ratio` of requests late at this rate; 0 when S is unknown.
  int workers_for(double rate_rps, double accepted_ratio) const;
  /// Share expected to be late with so many workers at λ.
  double late_with(int workers) const;
};

Load measure_load(Settings const& settings, State const& state);

/// Workers that drain the queue within 2 s beside the load; 0 while the queue is short and young.
int backlog_workers(Load const& load, Sample const& sample, int serving);

/// ceil(cur·Q/target) when more than the target wait, else 0: it only ever scales up.
int queue_target_workers(Settings const& settings, Sample const& sample, int current);

/// w: the longest wait in the queue after which a request of this service still meets the target.
double longest_wait_seconds(double target_seconds, double service_seconds, double service_cv2);

/// Late requests that the load term accepts. The tail formula is exact for exponential service and
/// pessimistic for a steadier one, and the queue's late lane keeps late requests from making others late: 2 %
/// asked gives under 1 %.
inline constexpr double kAcceptedLateRatio = 0.02;
/// A backlog shall be gone after this.
inline constexpr double kDrainSeconds = 2;

}  // namespace ei::scaling
