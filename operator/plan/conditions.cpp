#include "operator/plan/conditions.hpp"

#include <algorithm>

#include "runtime/core/redact.hpp"

namespace ei::plan {
namespace {

using api::Condition;
using api::ConditionStatus;

// Twice the longest default time between two looks at the queue, QueueRatio's.
constexpr milliseconds kMetricsPatience{30'000};

ConditionStatus truth(bool value) {
  return value ? ConditionStatus::True : ConditionStatus::False;
}

Condition make(std::string_view type, bool value, std::string reason, std::string const& message) {
  // Words of processes and of servers may hold a signed URL; a condition has more readers than a spec.
  return {std::string(type), truth(value), std::move(reason), redact_urls(message), {}, 0};
}

std::string of(int ready, int wanted, std::string const& noun) {
  return std::to_string(ready) + " of " + std::to_string(wanted) + " " + noun + (wanted == 1 ? "" : "s") +
         (wanted == 1 ? " is ready" : " are ready");
}

/// The first instance's trouble, which most likely is everyone's.
template <class Instances>
Trouble const* trouble_of(Instances const& instances) {
  for (auto const& each : instances) {
    if (!each.ready && each.trouble) return &*each.trouble;
  }
  return nullptr;
}

Condition of_children(std::string_view type, int ready, int wanted, std::string const& noun,
                      Trouble const* trouble) {
  if (ready >= wanted) return make(type, true, "AllReady", of(ready, wanted, noun));
  if (!trouble) return make(type, false, "Starting", of(ready, wanted, noun));
  return make(type, false, trouble->reason, of(ready, wanted, noun) + ": " + trouble->message);
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
  } else if (shortage && counts.workers_ready < counts.workers_wanted) {
    return make(api::kScalingLimited, true, shortage->reason, shortage->message);
  }
  if (bounded) {
    return make(api::kScalingLimited, true, "AtMaximum",
                "the load needs more workers than spec.scaling.maxReplicas (" +
                    std::to_string(seen.spec ? seen.spec->scaling.max_replicas : 0) + ") allows");
  }
  return make(api::kScalingLimited, false, "WithinLimits", "the count is what the load needs");
}

Condition ready(Observation const& seen, Counts const& counts) {
  auto const faults = to_string(seen.errors);
  if (!seen.spec)
    return make(api::kReady, false, "InvalidSpec", faults.empty() ? "there is no spec" : faults);
  auto const refused = faults.empty() ? "" : "; the previous spec is in force: " + faults;
  if (counts.dispatchers_ready == 0)
    return make(api::kReady, false, "DispatcherNotReady", "no dispatcher is ready" + refused);
  if (counts.workers_ready == 0)
    return make(api::kReady, false, "WorkersNotReady", "no worker is ready" + refused);
  if (!faults.empty()) return make(api::kReady, true, "InvalidEdit", "serving the previous spec: " + faults);
  return make(api::kReady, true, "Serving",
              seen.endpoint.empty() ? "requests are answered" : "requests are answered at " + seen.endpoint);
}

Condition paused(Observation const& seen) {
  bool const value = seen.spec && seen.spec->scaling.paused;
  return make(api::kPaused, value, value ? "PausedBySpec" : "NotPaused",
              value ? "spec.scaling.paused keeps the count as it is" : "decisions are carried out");
}

}  // namespace

Counts count(Observation const& seen, Verdict const& verdict) {
  Counts counts;
  counts.dispatchers_wanted = seen.spec ? seen.spec->dispatcher.replicas : 0;
  for (auto const& each : seen.dispatchers) counts.dispatchers_ready += each.ready ? 1 : 0;
  if (verdict.decision) {
    counts.workers_wanted = granted(*verdict.decision, seen.shortage);
  } else {
    counts.workers_wanted = seen.worker_replicas.value_or(0);
  }
  for (auto const& each : seen.workers) {
    counts.workers += each.terminating ? 0 : 1;
    counts.workers_ready += !each.terminating && each.ready ? 1 : 0;
  }
  return counts;
}

std::vector<Condition> next_conditions(Observation const& seen, Verdict const& verdict, WallTime now) {
  auto const counts = count(seen, verdict);
  std::vector<Condition> conditions = seen.status.conditions;
  auto const put = [&](Condition next) {
    next.observed_generation = seen.metadata.generation;
    set_condition(conditions, std::move(next), now);
  };
  put(ready(seen, counts));
  if (!seen.spec) return conditions;
  auto const* dispatcher_trouble = trouble_of(seen.dispatchers);
  if (!dispatcher_trouble && seen.dispatcher_shortage) dispatcher_trouble = &*seen.dispatcher_shortage;
  put(of_children(api::kDispatcherReady, counts.dispatchers_ready, counts.dispatchers_wanted, "dispatcher",
                  dispatcher_trouble));
  auto const* worker_trouble = trouble_of(seen.workers);
  std::optional<Trouble> no_place;
  if (!worker_trouble && seen.shortage && !seen.shortage->maximum)
    worker_trouble = &no_place.emplace(Trouble{seen.shortage->reason, seen.shortage->message});
  put(of_children(api::kWorkersReady, counts.workers_ready, counts.workers_wanted, "worker", worker_trouble));
  put(metrics_available(seen, verdict, now));
  put(scaling_limited(seen, verdict, counts));
  put(paused(seen));
  return conditions;
}

}  // namespace ei::plan
