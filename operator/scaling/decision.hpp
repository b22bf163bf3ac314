#pragma once

#include "operator/scaling/settings.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ei::scaling {

/// The one-word answer to "why": fit for a condition, an event or a metric label.
enum class Reason {
  Steady,            ///< the count is right
  LoadRose,          ///< arrivals need more workers
  BurstSeen,         ///< arrivals are rising faster than the load window shows
  BacklogGrew,       ///< the queue would take too long to drain
  QueueOverTarget,   ///< more requests wait than `queue_target`
  ServiceUnknown,    ///< requests wait and no service time is known yet
  LoadFell,          ///< fewer workers have been enough for the whole hold window
  HoldingAfterLoad,  ///< fewer would do now, but not yet for the whole hold window
  ObservingFirst,    ///< fewer would do, but a full hold window has not been observed yet
  RatioUp,           ///< QueueRatio: cur·Q/target rose
  RatioDown,         ///< QueueRatio: cur·Q/target fell
  NotDue,            ///< QueueRatio: its interval has not passed
  WorkersNotReady,   ///< QueueRatio: waits until every replica is ready
  CoolingDown,       ///< QueueRatio: within the cooldown of its last action
  ExternalRequest,   ///< External: the count somebody set
  BelowMinimum,      ///< the minimum was raised above the count
  AboveMaximum,      ///< the maximum was lowered below the count
  AtMaximum,         ///< more are needed than the maximum allows
  WebhookAnswered,   ///< Webhook: the count that the program answered
  WebhookFailed,     ///< Webhook: no usable answer, hold
  MetricsMissing,    ///< no usable sample: hold
  MetricsLost,       ///< no usable sample for long and `ScaleToMax`
  Idle,              ///< no request for `idle_after`: no worker
  UsedLately,        ///< no load, but the last request is younger than `idle_after`
  Woken,             ///< a request came while no worker ran
  TriesSpec,         ///< one worker tries a spec that is new
  Paused,
  Advised,  ///< `advise`: what would be done is said and not done
};

/// The part of the rule that asked for the most workers.
enum class Term {
  None,
  Load,
  Burst,
  Backlog,
  QueueTarget,
  ServiceUnknown,
  Ratio,
  External,
  Webhook,
  MetricsLoss,
  Wake
};

/// What kept the answer from being the winning term's number.
enum class Limit {
  None,
  Minimum,
  Maximum,
  HoldWindow,
  FirstWindow,
  Cooldown,
  WorkersNotReady,
  Interval,
  NoData,
  IdleAfter,
  Paused,
  Advice
};

/// Why a sample is or is not usable.
enum class SampleUse { Fresh, Repeated, Missing, Stale, Invalid, CounterReset };

/// Every number the decision rests on; empty where it was not known or not needed.
struct Inputs {
  SampleUse sample = SampleUse::Missing;
  std::optional<double> arrival_rps;  ///< λ over 10 s
  std::optional<double> burst_rps;    ///< λ_b, when a burst is on
  std::optional<double> service_seconds;
  std::optional<double> service_cv2;   ///< squared coefficient of variation, c²
  std::optional<double> offered_load;  ///< R: workers kept busy on average
  std::optional<double> queue;
  std::optional<double> in_flight;
  std::optional<double> oldest_age_seconds;
  std::optional<double> longest_wait_seconds;  ///< w: the longest wait that still meets the target
  std::optional<double> late_ratio;  ///< expected share over the target with `to` workers, that far ahead
  double accepted_late_ratio = 0;    ///< what the load term accepts just now
  double recent_late_ratio = 0;      ///< the mean over the last minutes, which that follows
  double outlook_seconds = 0;        ///< how far ahead: until a worker asked for next would serve
  double start_seconds = 0;          ///< L̂: expected creation to ready
  double hold_seconds = 0;           ///< H: how long a lower need must last
  int ready = 0;
  int starting = 0;
  int overdue = 0;   ///< starting for too long to count on
  int standby = 0;   ///< warm
  int promoted = 0;  ///< of these, by this decision

  // What each term asked for, before any limit; 0 when it asked for nothing.
  int load_workers = 0;
  int spare_workers = 0;  ///< of these, because starts are slow
  int burst_workers = 0;
  int backlog_workers = 0;
  int queue_target_workers = 0;
  int held_workers = 0;       ///< the most that was needed within the hold window
  int recurring_workers = 0;  ///< needed by a surge that keeps coming back; 0 while none does

  bool operator==(Inputs const&) const = default;
};

struct Decision {
  int from = 0;
  int to = 0;
  int standby = 0;             ///< how many shall wait beside them
  std::optional<int> advised;  ///< while paused or advising: what `to` would be
  Reason reason = Reason::Steady;
  Term term = Term::None;
  Limit limit = Limit::None;
  std::string formula;  ///< the winning rule in numbers
  std::string why_not_more;
  std::string why_not_less;
  std::vector<std::string> replace;  ///< workers to replace: not ready for far longer than a start takes
  Inputs inputs;

  bool operator==(Decision const&) const = default;
};

std::string_view name(Reason reason);
std::string_view name(Term term);
std::string_view name(Limit limit);
std::string_view name(SampleUse use);

}  // namespace ei::scaling
