#include "operator/scaling/queue_ratio.hpp"

#include "operator/scaling/text.hpp"

#include <algorithm>
#include <cmath>

namespace ei::scaling {
namespace {

/// The unclamped answer; a count beyond any int stays one that the bounds then cut.
int wanted(Settings const& settings, int current, double queue) {
  if (queue <= 0) return settings.min_replicas;
  // From zero as from one: no worker would ask for none.
  double const ratio = std::ceil(std::max(current, 1) * queue / std::max(settings.queue_target, 1));
  return static_cast<int>(std::clamp(ratio, 0.0, 1e6));
}

void stay(Decision& decision, Reason reason, Limit limit, std::string why) {
  decision.to = decision.from;
  decision.reason = reason;
  decision.limit = limit;
  decision.why_not_more = why;
  decision.why_not_less = std::move(why);
}

}  // namespace

Decision decide_queue_ratio(Settings const& settings, State& state, Snapshot const& snapshot, Time now) {
  Workers const& workers = snapshot.workers;
  Sample const& sample = *snapshot.sample;
  Decision decision;
  decision.from = decision.to = workers.current;
  decision.term = Term::Ratio;

  // At zero nothing is to be kept steady, and a request waits for each second.
  bool const sleeps = workers.current == 0;
  if (!sleeps && state.last_evaluation && now - *state.last_evaluation < settings.interval) {
    stay(decision, Reason::NotDue, Limit::Interval, "its interval has not passed");
    return decision;
  }
  state.last_evaluation = now;

  int const ratio = wanted(settings, workers.current, sample.queue);
  int const bounded =
      std::clamp(ratio, settings.min_replicas, std::max(settings.min_replicas, settings.max_replicas));
  decision.formula = sample.queue <= 0 ? text("queue empty: minimum %d", settings.min_replicas)
                                       : text("ceil(%d x %.0f waiting / %d) = %d", workers.current,
                                              sample.queue, settings.queue_target, ratio);
  if (bounded == workers.current) {
    decision.reason = ratio > bounded ? Reason::AtMaximum : Reason::Steady;
    decision.limit = ratio > bounded ? Limit::Maximum : ratio < bounded ? Limit::Minimum : Limit::None;
    decision.why_not_more = ratio > bounded ? "the maximum" : decision.formula;
    decision.why_not_less = ratio < bounded ? "the minimum" : decision.formula;
    return decision;
  }
  if (workers.starting() > 0 || workers.ready() < workers.current) {
    stay(decision, Reason::WorkersNotReady, Limit::WorkersNotReady, "a replica is not ready");
    return decision;
  }
  if (!sleeps && state.last_action && now - *state.last_action < settings.cooldown) {
    stay(decision, Reason::CoolingDown, Limit::Cooldown, "within the cooldown of the last action");
    return decision;
  }
  decision.to = bounded;
  decision.reason = bounded > workers.current ? Reason::RatioUp : Reason::RatioDown;
  if (bounded != ratio) decision.limit = bounded < ratio ? Limit::Maximum : Limit::Minimum;
  decision.why_not_more = bounded < ratio ? "the maximum" : decision.formula;
  decision.why_not_less = bounded > ratio ? "the minimum" : decision.formula;
  return decision;
}

}  // namespace ei::scaling
