#include "operator/api/status.hpp"

#include "runtime/core/fields.hpp"

// One list of members per struct, for the status as it is written and as it comes back.
namespace ei::api {

static std::string_view name(ConditionStatus status) {
  return to_string(status);
}

template <class Fields>
void list_members(Fields& fields, QueueStatus& queue) {
  fields("depth", queue.depth);
  fields("inFlight", queue.in_flight);
  fields("arrivalRate", queue.arrival_rate);
  fields.duration("oldestAge", queue.oldest_age);
  fields.if_duration("p99", queue.p99);
}

template <class Fields>
void list_members(Fields& fields, ModelStatus& model) {
  fields.if_any("version", model.version);
  fields.if_any("output", model.output);
  fields.if_any("precision", model.precision);
  fields.if_any("agreement", model.agreement);
}

template <class Fields>
void list_members(Fields& fields, DecisionRecord& record) {
  fields("id", record.id);
  fields.instant("time", record.time);
  fields("from", record.from);
  fields("to", record.to);
  fields("reason", record.reason);
  fields("formula", record.formula);
}

template <class Fields>
void list_members(Fields& fields, Explanation& explanation) {
  fields.if_any("measured", explanation.measured);
  fields.if_any("terms", explanation.terms);
  fields.if_any("bound", explanation.bound);
  fields.if_any("whyNotMore", explanation.why_not_more);
  fields.if_any("whyNotLess", explanation.why_not_less);
}

template <class Fields>
void list_members(Fields& fields, Condition& condition) {
  fields("type", condition.type);
  fields.word("status", condition.status,
              {ConditionStatus::True, ConditionStatus::False, ConditionStatus::Unknown});
  fields("reason", condition.reason);
  fields("message", condition.message);
  fields.second("lastTransitionTime", condition.last_transition);
  fields("observedGeneration", condition.observed_generation);
}

template <class Fields>
void list_members(Fields& fields, PolicyCost& cost) {
  fields("replicas", cost.replicas);
  fields("coreSeconds", cost.core_seconds);
  fields("lateRequests", cost.late);
}

template <class Fields>
void list_members(Fields& fields, std::pair<scaling::Advisor, PolicyCost>& advisor) {
  list_members(fields, advisor.second);
  fields.word("name", advisor.first, scaling::kAdvisors);
}

template <class Fields>
void list_members(Fields& fields, Advice& advice) {
  fields.second("since", advice.since);
  fields("measuredSeconds", advice.measured_seconds);
  fields("unmeasuredSeconds", advice.unmeasured_seconds);
  fields("requests", advice.requests);
  fields("acting", advice.acting);
  fields("advisors", advice.advisors);
}

template <class Fields>
void list_members(Fields& fields, Status& status) {
  fields("observedGeneration", status.observed_generation);
  fields("replicas", status.replicas);
  fields("readyReplicas", status.ready_replicas);
  fields("desiredReplicas", status.desired_replicas);
  fields("selector", status.selector);
  fields("queue", status.queue);
  fields.if_any("standbyReplicas", status.standby_replicas);
  fields.if_any("recommendedReplicas", status.recommended_replicas);
  fields.if_any("model", status.model);
  fields.if_one("advice", status.advice);
  fields.if_any("lastDecision", status.last_decision);
  fields("history", status.history);
  fields("conditions", status.conditions);
}

boost::json::object to_json(Status const& status) {
  return write_fields(status);
}

boost::json::object to_json(Advice const& advice) {
  return write_fields(advice);
}

boost::json::object to_json(Explanation const& explanation) {
  return write_fields(explanation);
}

void erase_explanation(boost::json::object& last_decision) {
  for (auto const& [name, sentence] : write_fields(Explanation{"-", "-", "-", "-", "-"}))
    last_decision.erase(name);
}

Explanation explanation_from_json(boost::json::value const& value) {
  return read_fields_leniently<Explanation>(value);
}

Status status_from_json(boost::json::value const& value) {
  return read_fields_leniently<Status>(value);
}

}  // namespace ei::api
