#include "operator/plan/status.hpp"

#include <algorithm>
#include <cmath>

#include "operator/plan/conditions.hpp"

namespace ei::plan {
namespace {

/// The queue's numbers, coarse enough that an idle service's stay equal; the last ones while there are none.
api::QueueStatus next_queue(api::QueueStatus queue, Verdict const& verdict) {
  if (!verdict.decision || !verdict.metrics_fault.empty()) return queue;
  auto const& inputs = verdict.decision->inputs;
  auto const whole = [](std::optional<double> number) { return std::llround(number.value_or(0)); };
  queue.depth = whole(inputs.queue);
  queue.in_flight = whole(inputs.in_flight);
  queue.arrival_rate = std::round(inputs.arrival_rps.value_or(0) * 10) / 10;
  queue.oldest_age = milliseconds(10 * std::llround(inputs.oldest_age_seconds.value_or(0) * 100));
  queue.p99 = verdict.p99;
  return queue;
}

/// What workers last told of the model; it stays while no worker is there to tell.
api::ModelStatus next_model(api::ModelStatus model, Observation const& seen, Verdict const& verdict) {
  // With a query no dispatcher is asked, so an old word would outlive its model.
  if (seen.spec && !seen.spec->prometheus_query.empty()) return {};
  if (!verdict.output.empty()) model.output = verdict.output;
  if (!verdict.version.empty()) model.version = verdict.version;
  if (!verdict.precision.empty()) {
    model.precision = verdict.precision;
    // A dispatcher goes on telling it of workers that are gone.
    bool const tried =
        seen.spec && (seen.spec->model.precision == api::Precision::Int8 || seen.spec->model.min_agreement);
    model.agreement = tried ? verdict.agreement : std::nullopt;
  }
  return model;
}

/// The status without what moves all the time.
api::Status steady_part(api::Status status) {
  status.queue = {};
  status.advice.clear();
  for (auto& condition : status.conditions) condition.message.clear();
  if (status.last_decision && status.last_decision->from == status.last_decision->to)
    status.last_decision.reset();
  return status;
}

bool only_advice_differs(api::Status const& written, api::Status next) {
  if (next.advice.empty()) return false;
  next.advice = written.advice;
  return written == next;
}

void record(api::Status& status, api::DecisionRecord decision) {
  // The newest change first. A reconcile that is repeated after a failed write tells of the same one again.
  if (!status.history.empty() && status.history.front().id == decision.id) return;
  status.last_decision = decision;
  status.history.insert(status.history.begin(), std::move(decision));
  if (status.history.size() > api::kHistoryLength) status.history.resize(api::kHistoryLength);
}

}  // namespace

api::Status next_status(Observation const& seen, Verdict const& verdict, WallTime now) {
  auto const counts = count(seen, verdict);
  api::Status status = seen.status;
  status.observed_generation = seen.metadata.generation;
  status.replicas = counts.workers.running;
  status.ready_replicas = counts.workers.ready;
  status.standby_replicas = counts.standbys.ready;
  status.conditions = next_conditions(seen, verdict, now);
  status.selector = seen.selector;
  status.model = next_model(status.model, seen, verdict);
  status.queue = next_queue(status.queue, verdict);
  if (verdict.decision) status.advice = verdict.advice;
  // A decision that could not be carried out is none: it is made anew next time.
  if (verdict.failure && verdict.failure->count_refused) return status;
  status.desired_replicas = counts.workers.wanted;
  status.recommended_replicas = verdict.decision ? verdict.decision->advised : std::nullopt;
  // It came to pass only if the next decision starts from it.
  if (verdict.unrecorded && verdict.decision && verdict.decision->from == verdict.unrecorded->to) {
    record(status, *verdict.unrecorded);
  }
  if (verdict.decision) {
    auto decision = record_of(verdict.decision_id, *verdict.decision, counts.workers.wanted, now);
    if (decision.from != decision.to) {
      record(status, std::move(decision));
    } else if (!status.last_decision || status.last_decision->reason != decision.reason ||
               status.queue != seen.status.queue ||
               status.recommended_replicas != seen.status.recommended_replicas) {
      status.last_decision = std::move(decision);
    }
  }
  return status;
}

bool worth_writing(api::Status const& written, api::Status const& next, milliseconds since_write) {
  if (written == next) return false;
  if (since_write >= kAdviceRefresh) return true;
  if (since_write >= kStatusRefresh && !only_advice_differs(written, next)) return true;
  return steady_part(written) != steady_part(next);
}

}  // namespace ei::plan
