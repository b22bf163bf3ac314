#include "operator/plan/conditions.hpp"

#include <algorithm>
#include <cstdio>

#include "runtime/core/redact.hpp"

namespace ei::plan {
namespace {

using api::Condition;
using api::ConditionStatus;

// Twice the longest default time between two looks at the queue, QueueRatio's.
constexpr milliseconds kMetricsPatience{30'000};

Condition make(std::string_view type, ConditionStatus status, std::string reason,
               std::string const& message) {
  // Words of processes and of servers may hold a signed URL; a condition has more readers than a spec.
  return {std::string(type), status, std::move(reason), redact_urls(message), {}, 0};
}

Condition make(std::string_view type, bool value, std::string reason, std::string const& message) {
  return make(type, value ? ConditionStatus::True : ConditionStatus::False, std::move(reason), message);
}

std::string of(int ready, int wanted, std::string const& noun) {
  return std::to_string(ready) + " of " + std::to_string(wanted) + " " + noun + (wanted == 1 ? "" : "s") +
         (wanted == 1 ? " is ready" : " are ready");
}

/// Of the processes of the newest template.
Condition of_children(std::string_view type, Tally const& tally, std::string const& noun,
                      std::optional<Trouble> const& trouble) {
  auto text = of(tally.new_ready, tally.wanted, noun);
  if (tally.new_ready >= tally.wanted) return make(type, true, "AllReady", text);
  if (int const old = tally.ready - tally.new_ready; old > 0)
    text += ", and " + std::to_string(old) + " of the old version";
  if (!trouble) return make(type, false, tally.old > 0 ? "RollingOut" : "Starting", text);
  return make(type, false, trouble->reason, text + ": " + trouble->message);
}

/// Why precision auto did not take int8 although spec.model.minAgreement is given; empty where it did.
std::string precision_note(api::Spec const& spec, Verdict const& verdict) {
  auto const& least = spec.model.min_agreement;
  if (!least || !verdict.agreement || *verdict.agreement >= *least) return {};
  char text[160];
  std::snprintf(text, sizeof text,
                "; int8 gives the class of fp32 for %.4g of the calibration pictures, below "
                "spec.model.minAgreement %.4g: computing in %s",
                *verdict.agreement, *least, verdict.precision.c_str());
  return text;
}

/// Whether there were no metrics yet, and need not have been.
bool metrics_start(Observation const& seen, WallTime now) {
  auto const& conditions = seen.status.conditions;
  auto const* old = find_condition(conditions, api::kMetricsAvailable);
  if (old && old->reason != kMetricsStarting) return false;
  auto const* dispatchers = find_condition(conditions, api::kDispatcherReady);
  bool const ready = dispatchers && dispatchers->status == ConditionStatus::True;
  auto patience = kMetricsPatience;
  if (seen.spec) patience = std::max(patience, 2 * seen.spec->scaling.interval);
  return !ready || now - dispatchers->last_transition < patience;
}

Condition metrics_available(Observation const& seen, Verdict const& verdict, WallTime now) {
  if (!verdict.metrics_fault.empty()) {
    bool const starting = metrics_start(seen, now);
    return make(api::kMetricsAvailable, false, starting ? std::string(kMetricsStarting) : "NoFreshMetrics",
                verdict.metrics_fault);
  }
  if (seen.spec && !seen.spec->prometheus_query.empty()) {
    return make(api::kMetricsAvailable, true, "Queried", "Prometheus answers spec.scaling.prometheusQuery");
  }
  return make(api::kMetricsAvailable, true, "Scraped", "the dispatchers answer");
}

Condition webhook_available(std::string const& fault) {
  if (fault.empty()) return make(api::kWebhookAvailable, true, "Answered", "spec.scaling.webhook answers");
  return make(api::kWebhookAvailable, false, "NoUsableAnswer", fault);
}

// needs more than spec.max | backend says how many fit | backend cannot place what it has | result
//           -              |        fewer needed       |               yes                 | its reason
//          yes             |             -             |                -                  | AtMaximum
//           no             |             -             |                no                 | WithinLimits
Condition scaling_limited(Observation const& seen, Verdict const& verdict, Counts const& counts) {
  auto const& shortage = seen.shortage;
  bool const bounded = verdict.decision && verdict.decision->limit == scaling::Limit::Maximum;
  if (shortage && shortage->maximum && seen.spec) {
    int const most = *shortage->maximum;
    bool const below_wish = most < seen.spec->scaling.max_replicas;
    if (below_wish && (bounded || most < seen.spec->scaling.min_replicas)) {
      return make(api::kScalingLimited, true, shortage->reason, shortage->message);
    }
  } else if (shortage && counts.workers.ready < counts.workers.wanted) {
    return make(api::kScalingLimited, true, shortage->reason, shortage->message);
  }
  if (bounded) {
    std::string const bound =
        verdict.maximum_by.empty()
            ? "spec.scaling.maxReplicas (" + std::to_string(seen.spec ? seen.spec->scaling.max_replicas : 0) +
                  ") allows"
            : "schedule '" + verdict.maximum_by + "' allows (" + std::to_string(verdict.decision->to) + ")";
    return make(api::kScalingLimited, true, "AtMaximum", "the load needs more workers than " + bound);
  }
  return make(api::kScalingLimited, false, "WithinLimits", "the count is what the load needs");
}

// no spec | serves | faulty edit | arrived | stalled | Ready
//   yes   |   -    |      -      |    -    |    -    | False
//   no    |  none  |      -      |    -    |    -    | False
//   no    | sleeps |     no      |   yes   |   no    | True: a request is answered as specified, only later
//   no    | sleeps |     no      |   yes   |   yes   | False: a worker of the spec could not come
//   no    | sleeps |     no      | unwritten |  no   | Unknown
//   no    |  yes   |     yes     |    -    |    -    | False: what serves is not what the spec says
//   no    |  yes   |     no      |   yes   |    -    | True
//   no    |  yes   |     no      |   no    |   yes   | False
//   no    |  yes   |     no      |   no    |   no    | Unknown, as kstatus has it of a rollout
Condition ready(Observation const& seen, Counts const& counts, Sleep sleep, bool unwritten,
                Rollout const& rollout) {
  auto const faults = to_string(seen.errors);
  if (!seen.spec)
    return make(api::kReady, false, "InvalidSpec", faults.empty() ? "there is no spec" : faults);
  auto const refused = faults.empty() ? "" : "; the previous spec is in force: " + faults;
  if (counts.dispatchers.ready == 0)
    return make(api::kReady, false, "DispatcherNotReady", "no dispatcher is ready" + refused);
  if (counts.workers.ready == 0 && sleep == Sleep::No)
    return make(api::kReady, false, "WorkersNotReady", "no worker is ready" + refused);
  if (!faults.empty()) return make(api::kReady, false, "InvalidEdit", "serving the previous spec: " + faults);
  if (sleep == Sleep::Waking)
    return make(api::kReady, true, std::string(kWaking),
                "no worker is ready yet: one starts, as requests wait");
  bool const stalled = rollout.state == Rollout::State::Stalled;
  bool const in_vain = sleep == Sleep::Idle && (stalled || unwritten);
  if (!counts.arrived() || in_vain)
    return make(api::kReady, stalled ? ConditionStatus::False : ConditionStatus::Unknown, rollout.reason,
                (sleep == Sleep::Idle ? "no worker runs; " : "requests are answered; ") + rollout.message);
  if (sleep == Sleep::Idle) {
    auto const policy = seen.spec->scaling.policy;
    if (policy == scaling::Policy::External)
      return make(api::kReady, true, std::string(kIdle),
                  "spec.replicas asks for no worker: requests wait until it asks for one");
    std::string const why = policy == scaling::Policy::Webhook
                                ? "the webhook asked for no worker"
                                : "no request has come for spec.scaling.idleAfter";
    return make(api::kReady, true, std::string(kIdle),
                "no worker runs, as " + why +
                    ": the next one waits in the dispatcher until a worker has started for it");
  }
  return make(api::kReady, true, "Serving",
              seen.endpoint.empty() ? "requests are answered" : "requests are answered at " + seen.endpoint);
}

Condition reconciling(Rollout const& rollout) {
  if (rollout.state == Rollout::State::Moving)
    return make(api::kReconciling, true, rollout.reason, rollout.message);
  bool const stalled = rollout.state == Rollout::State::Stalled;
  return make(api::kReconciling, false, stalled ? "Stalled" : rollout.reason,
              stalled ? "it cannot go on: see the condition Stalled" : rollout.message);
}

Condition stalled(Rollout const& rollout) {
  if (rollout.state == Rollout::State::Stalled)
    return make(api::kStalled, true, rollout.reason, rollout.message);
  return make(api::kStalled, false, "NotStalled", "nothing needs attention");
}

Condition paused(Observation const& seen) {
  if (seen.spec && seen.spec->scaling.paused)
    return make(api::kPaused, true, "PausedBySpec", "spec.scaling.paused keeps the count as it is");
  if (seen.spec && seen.spec->scaling.advise)
    return make(api::kPaused, true, "AdviceOnly", "spec.scaling.mode Advise keeps the count as it is");
  return make(api::kPaused, false, "NotPaused", "decisions are carried out");
}

}  // namespace

std::vector<Condition> next_conditions(Observation const& seen, Verdict const& verdict, WallTime now) {
  auto const counts = count(seen, verdict);
  auto const rollout = rollout_of(seen, verdict, counts);
  std::vector<Condition> conditions = seen.status.conditions;
  auto const put = [&](Condition next) {
    next.observed_generation = seen.metadata.generation;
    set_condition(conditions, std::move(next), now);
  };
  put(ready(seen, counts, sleep_of(seen, verdict, counts), is_unwritten(seen, verdict, counts), rollout));
  put(reconciling(rollout));
  put(stalled(rollout));
  if (!seen.spec) return conditions;
  put(of_children(api::kDispatcherReady, counts.dispatchers, "dispatcher",
                  dispatcher_trouble(seen, verdict)));
  auto workers = of_children(api::kWorkersReady, counts.workers, "worker", worker_trouble(seen, verdict));
  workers.message += precision_note(*seen.spec, verdict);
  put(std::move(workers));
  if (seen.spec->scaling.standby > 0) {
    auto const& none = seen.no_standbys;
    put(none ? make(api::kStandbyReady, false, none->reason, none->message)
             : of_children(api::kStandbyReady, counts.standbys, "standby", standby_trouble(seen)));
  } else {
    std::erase_if(conditions, [](auto const& each) { return each.type == api::kStandbyReady; });
  }
  put(metrics_available(seen, verdict, now));
  if (seen.spec->webhook.empty())
    std::erase_if(conditions, [](auto const& each) { return each.type == api::kWebhookAvailable; });
  if (verdict.webhook_fault) put(webhook_available(*verdict.webhook_fault));
  put(scaling_limited(seen, verdict, counts));
  put(paused(seen));
  return conditions;
}

}  // namespace ei::plan
