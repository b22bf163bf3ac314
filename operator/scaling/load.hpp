#pragma once

#include "operator/scaling/queueing.hpp"
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
  int standbys = 0;          ///< that wait or will: so many workers are never more than a promotion away
  double react_seconds = 0;  ///< until the next worker serves: a promotion where there are standbys, else L̂
  Outlook outlook;           ///< from the queue as it is to when the next worker could serve
  Outlook far;               ///< to when one could that is started now
  std::optional<double> far_burst_rps;  ///< where the rise leads by then

  /// Least workers that leave at most `accepted_ratio` of requests late at λ by the end of the outlook; 0
  /// when S or λ is unknown. By the end of the far outlook the standbys may help.
  int workers_for_load(double accepted_ratio) const;
  /// The same for ever, at the rates that a burst leads to; 0 without one.
  int workers_for_burst(double accepted_ratio) const;
  /// Share expected to be late with so many workers at λ, at the end of the outlook.
  double late_with(int workers) const;
  /// The same at the end of the far outlook, with the standbys.
  double late_with_standbys(int workers) const;

 private:
  Traffic traffic() const;
  int workers_for(double rate_rps, double accepted_ratio) const;
};

Load measure_load(Settings const& settings, State const& state, Workers const& workers);

/// Workers that drain the queue within 2 s beside the load; 0 while the queue is short and young.
int backlog_workers(Load const& load, Sample const& sample, int serving);

/// ceil(cur·Q/target) when more than the target wait, else 0: it only ever scales up.
int queue_target_workers(Settings const& settings, Sample const& sample, int current);

/// w: the longest wait in the queue after which a request of this service still meets the target.
double longest_wait_seconds(double target_seconds, double service_seconds, double service_cv2);

/// Which share of late requests the load term accepts now. Whole workers are coarse: the share with n of them
/// may be 0.1 % and with n−1 of them 1.5 %. So it alternates between the two: generous while the last minutes
/// were under the budget, strict once that has been used up. The budget is half of what a p99 target leaves;
/// the other half is a surge's.
double accepted_late_ratio(State const& state);

/// Adds the newest sample's part to the mean that `accepted_late_ratio` goes by: the answers that were late
/// where the samples count them, else what is expected of so many workers.
void note_lateness(Load const& load, State& state, int ready);

/// The share of late requests over the last minutes, in [0, 1].
double recent_late_ratio(State const& state);

/// Whether more of the last minutes' requests were late than the load term may spend.
bool is_over_late_budget(State const& state);

/// Workers beside the `needed` ones where a start takes longer than 5 s: nobody can answer a
/// surge sooner than that, and what arrives meanwhile meets only what is there. A third more at
/// 10 s, half more from 12.5 s on. Standbys are as good as spare ones.
int spare_workers(int needed, double start_seconds, int standbys);

/// A backlog shall be gone after this.
inline constexpr double kDrainSeconds = 2;

}  // namespace ei::scaling
