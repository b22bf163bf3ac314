#include "operator/scaling/decide.hpp"

#include "operator/scaling/idle.hpp"
#include "operator/scaling/latency.hpp"
#include "operator/scaling/observe.hpp"
#include "operator/scaling/queue_ratio.hpp"
#include "operator/scaling/replace.hpp"
#include "operator/scaling/text.hpp"
#include "operator/scaling/webhook.hpp"

#include <algorithm>
#include <utility>

namespace ei::scaling {
namespace {

constexpr double kRateSeconds = 10;                      // as long as Latency looks back for its arrival rate
constexpr std::chrono::seconds kBlindBeforeMaximum{10};  // a dispatcher that restarts is back sooner

Decision stay(int current, Reason reason, Limit limit, std::string why) {
  Decision decision;
  decision.from = decision.to = current;
  decision.reason = reason;
  decision.limit = limit;
  decision.formula = why;
  decision.why_not_more = why;
  decision.why_not_less = std::move(why);
  return decision;
}

Decision decide_external(Settings const& settings, Workers const& workers) {
  Decision decision;
  decision.from = workers.current;
  decision.to = settings.external_replicas;
  decision.term = Term::External;
  decision.reason = decision.to == decision.from ? Reason::Steady : Reason::ExternalRequest;
  decision.formula = text("replicas set to %d", settings.external_replicas);
  decision.why_not_more = decision.why_not_less = decision.formula;
  return decision;
}

Decision decide_blind(Settings const& settings, State const& state, Workers const& workers, SampleUse use,
                      Time now) {
  bool const lost = settings.on_metrics_loss == MetricsLoss::ScaleToMax && state.blind_since &&
                    now - *state.blind_since >= kBlindBeforeMaximum;
  std::string const why = text("no usable metrics (%s)", std::string(name(use)).c_str());
  Decision decision = stay(workers.current, Reason::MetricsMissing, Limit::NoData, why);
  if (lost && workers.current < settings.max_replicas) {
    decision.to = settings.max_replicas;
    decision.term = Term::MetricsLoss;
    decision.reason = Reason::MetricsLost;
    decision.limit = Limit::Maximum;
  }
  return decision;
}

Decision decide_unbounded(Settings const& settings, State& state, Snapshot const& snapshot, SampleUse use,
                          Time now) {
  if (settings.policy == Policy::External) return decide_external(settings, snapshot.workers);
  if (use != SampleUse::Fresh && use != SampleUse::Repeated) {
    return decide_blind(settings, state, snapshot.workers, use, now);
  }
  switch (settings.policy) {
    case Policy::QueueRatio:
      return decide_queue_ratio(settings, state, snapshot, now);
    case Policy::Webhook:
      return decide_webhook(settings, state, snapshot, now);
    default:
      return decide_latency(settings, state, snapshot, now);
  }
}

/// What everybody wants to see of a queue, also where the policy's rule does not look at it.
void tell_queue(Inputs& inputs, State const& state, Sample const& sample) {
  inputs.queue = sample.queue;
  inputs.in_flight = sample.in_flight;
  inputs.oldest_age_seconds = sample.oldest_age_seconds;
  if (inputs.arrival_rps) return;
  if (auto const window = span(state, 0, kRateSeconds))
    inputs.arrival_rps = window->arrivals / window->seconds;
}

void apply_bounds(Settings const& settings, Decision& decision) {
  int const minimum = settings.min_replicas;
  int const maximum = std::max(minimum, settings.max_replicas);
  if (decision.to > maximum) {
    decision.to = maximum;
    decision.limit = Limit::Maximum;
    decision.why_not_more = text("the maximum is %d", maximum);
    decision.reason = decision.from > maximum    ? Reason::AboveMaximum
                      : decision.from == maximum ? Reason::AtMaximum
                                                 : decision.reason;
  } else if (decision.to < minimum) {
    decision.to = minimum;
    decision.limit = Limit::Minimum;
    decision.why_not_less = text("the minimum is %d", minimum);
    if (decision.from < minimum) decision.reason = Reason::BelowMinimum;
    if (decision.from == minimum) decision.reason = Reason::Steady;
  }
}

/// Says what the decision would have done, and does nothing.
Decision advise(Settings const& settings, Decision wished) {
  Reason const wish = wished.reason;
  std::string const what = wished.to == wished.from ? text("would stay at %d", wished.to)
                                                    : text("would go from %d to %d", wished.from, wished.to);
  Decision decision = std::move(wished);
  decision.advised = std::exchange(decision.to, decision.from);
  decision.reason = settings.paused ? Reason::Paused : Reason::Advised;
  decision.limit = settings.paused ? Limit::Paused : Limit::Advice;
  decision.formula = (settings.paused ? "paused; " : "advice alone; ") + what + ", " +
                     std::string(name(wish)) + ": " + decision.formula;
  return decision;
}

}  // namespace

Decision decide(Settings const& settings, State& state, Snapshot const& snapshot, Time now) {
  SampleUse const use = observe(settings, state, snapshot, now);
  Workers const& workers = snapshot.workers;
  Decision decision = decide_unbounded(settings, state, snapshot, use, now);
  apply_idle(settings, state, snapshot, use, now, decision);
  apply_bounds(settings, decision);

  auto const overdue = overdue_workers(state, workers.list);
  if (settings.paused || settings.advise) {
    decision = advise(settings, std::move(decision));
  } else {
    bool const replaces = settings.policy == Policy::Latency || settings.policy == Policy::Webhook;
    auto late = overdue;
    auto const standbys = overdue_workers(state, workers.standbys);
    late.insert(late.end(), standbys.begin(), standbys.end());
    if (replaces) decision.replace = replace_one(state, late, now);
    if (settings.policy == Policy::QueueRatio && decision.to != decision.from) state.last_action = now;
  }

  if (use == SampleUse::Fresh || use == SampleUse::Repeated) {
    tell_queue(decision.inputs, state, *snapshot.sample);
  }
  decision.standby = standbys_wanted(settings, decision.to);
  decision.inputs.sample = use;
  decision.inputs.start_seconds = expected_start_seconds(state);
  decision.inputs.ready = workers.ready();
  decision.inputs.starting = workers.starting();
  decision.inputs.overdue = static_cast<int>(overdue.size());
  decision.inputs.standby = workers.ready_standbys();
  decision.inputs.promoted = std::clamp(decision.to - decision.from, 0, decision.inputs.standby);
  return decision;
}

}  // namespace ei::scaling
