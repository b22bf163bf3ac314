#include "operator/plan/plan.hpp"

#include <algorithm>

#include "operator/plan/conditions.hpp"
#include "runtime/core/redact.hpp"

namespace ei::plan {
namespace {

using api::Condition;
using api::ConditionStatus;

/// What a change of one condition tells people; the old one is null the first time.
void tell(std::vector<Condition> const& before, std::vector<Condition> const& after, std::string_view type,
          Actions& actions, auto describe) {
  auto const* old = find_condition(before, type);
  auto const* next = find_condition(after, type);
  if (!next) return;
  if (auto event = describe(old, *next)) actions.push_back(std::move(*event));
}

std::optional<RecordEvent> warn(std::string reason, std::string message) {
  return RecordEvent{EventType::Warning, std::move(reason), std::move(message), {}};
}
std::optional<RecordEvent> say(std::string reason, std::string message) {
  return RecordEvent{EventType::Normal, std::move(reason), std::move(message), {}};
}

bool is(Condition const* condition, ConditionStatus status) {
  return condition && condition->status == status;
}

void events_of_conditions(std::vector<Condition> const& before, std::vector<Condition> const& after,
                          Actions& actions) {
  using Event = std::optional<RecordEvent>;
  auto const* stalled = find_condition(after, api::kStalled);
  tell(before, after, api::kReady, actions, [&](Condition const* old, Condition const& next) -> Event {
    bool const invalid = next.reason == "InvalidSpec" || next.reason == "InvalidEdit";
    if (invalid && (!old || old->message != next.message)) return warn("InvalidSpec", next.message);
    if (is(&next, ConditionStatus::True) && !is(old, ConditionStatus::True))
      return say("Ready", next.message);
    bool const told = is(stalled, ConditionStatus::True) && stalled->reason == next.reason;
    if (is(&next, ConditionStatus::False) && is(old, ConditionStatus::True) && !told)
      return warn("NotReady", next.message);
    return {};
  });
  // An invalid spec is told with Ready.
  for (auto const type : {api::kReconciling, api::kStalled}) {
    tell(before, after, type, actions, [&](Condition const* old, Condition const& next) -> Event {
      bool const trouble = type == api::kStalled || next.reason == "WriteFails";
      bool const news = !is(old, ConditionStatus::True) || old->reason != next.reason ||
                        old->observed_generation != next.observed_generation;
      bool const told = next.reason == "InvalidSpec" || next.reason == "InvalidEdit";
      return is(&next, ConditionStatus::True) && trouble && news && !told ? warn(next.reason, next.message)
                                                                          : Event{};
    });
  }
  tell(before, after, api::kMetricsAvailable, actions,
       [](Condition const* old, Condition const& next) -> Event {
         bool const alarm = is(&next, ConditionStatus::False) && next.reason != kMetricsStarting;
         if (alarm && (!old || is(old, ConditionStatus::True) || old->reason == kMetricsStarting)) {
           return warn("MetricsUnavailable", next.message);
         }
         // Metrics are missing at every start; only their coming back afterwards is news.
         bool const back = is(&next, ConditionStatus::True) && is(old, ConditionStatus::False);
         return back && old->reason != kMetricsStarting ? say("MetricsAvailable", next.message) : Event{};
       });
  tell(before, after, api::kWebhookAvailable, actions,
       [](Condition const* old, Condition const& next) -> Event {
         if (is(&next, ConditionStatus::False) && !is(old, ConditionStatus::False))
           return warn("WebhookFailed", next.message);
         bool const back = is(&next, ConditionStatus::True) && is(old, ConditionStatus::False);
         return back ? say("WebhookAnswered", next.message) : Event{};
       });
  tell(before, after, api::kScalingLimited, actions,
       [](Condition const* old, Condition const& next) -> Event {
         bool const news = !is(old, ConditionStatus::True) || old->reason != next.reason;
         return is(&next, ConditionStatus::True) && news
                    ? warn("ScalingLimited", next.reason + ": " + next.message)
                    : Event{};
       });
  tell(before, after, api::kPaused, actions, [](Condition const* old, Condition const& next) -> Event {
    if (is(&next, ConditionStatus::True) && !is(old, ConditionStatus::True))
      return say("Paused", next.message);
    if (is(&next, ConditionStatus::False) && is(old, ConditionStatus::True))
      return say("Resumed", "scaling again");
    return {};
  });
  for (auto const type : {api::kDispatcherReady, api::kWorkersReady, api::kStandbyReady}) {
    tell(before, after, type, actions, [&](Condition const* old, Condition const& next) -> Event {
      bool const trouble =
          is(&next, ConditionStatus::False) && next.reason != "Starting" && next.reason != "RollingOut";
      bool const news = !old || old->reason != next.reason;
      auto const* limited = find_condition(after, api::kScalingLimited);
      bool const told = next.reason == "Refused" || next.reason == "WriteFails" ||
                        (type == api::kWorkersReady && is(limited, ConditionStatus::True) &&
                         limited->reason == next.reason);
      return trouble && news && !told ? warn(next.reason, next.message) : Event{};
    });
  }
}

/// How many of the further workers were warm.
std::string promoted_in_words(scaling::Decision const& decision, int to) {
  int const promoted = std::min(decision.inputs.promoted, to - decision.from);
  return promoted > 0 ? "; " + std::to_string(promoted) + " from standby" : std::string();
}

void events_of_decision(Observation const& seen, Verdict const& verdict, Actions& actions) {
  auto const& decision = *verdict.decision;
  int const to = granted(decision, seen.shortage);
  auto const& advised = decision.advised;
  if (advised && *advised != decision.from && advised != seen.status.recommended_replicas) {
    actions.push_back(RecordEvent{EventType::Normal, "Advised", decision.formula, verdict.decision_id});
  }
  if (decision.from == to) return;
  actions.push_back(RecordEvent{EventType::Normal, to > decision.from ? "ScaledUp" : "ScaledDown",
                                std::to_string(decision.from) + " -> " + std::to_string(to) + ", " +
                                    std::string(scaling::name(decision.reason)) + ": " + decision.formula +
                                    promoted_in_words(decision, to),
                                verdict.decision_id, explanation_of(decision)});
}

void event_of_quarantine(Verdict const& verdict, Actions& actions) {
  if (verdict.quarantined == 0) return;
  bool const one = verdict.quarantined == 1;
  actions.push_back(*warn("PictureQuarantined",
                          std::to_string(verdict.quarantined) + (one ? " picture is" : " pictures are") +
                              " refused for minutes, as two workers ended under " + (one ? "it" : "each") +
                              ": the dispatcher's log names the bytes (picture_quarantined)"));
}

void plan_replacements(Observation const& seen, Verdict const& verdict, Actions& actions) {
  for (auto const& name : verdict.decision->replace) {
    std::string why = "not ready for far longer than a start takes";
    for (auto const* workers : {&seen.workers, &seen.standbys}) {
      auto const worker =
          std::find_if(workers->begin(), workers->end(), [&](auto const& each) { return each.name == name; });
      if (worker != workers->end() && worker->trouble) why += ": " + redact_urls(worker->trouble->message);
    }
    actions.push_back(ReplaceWorker{name, why});
    actions.push_back(
        RecordEvent{EventType::Warning, "WorkerReplaced", name + " is " + why, verdict.decision_id});
  }
}

void plan_children(Observation const& seen, Verdict const& verdict, Actions& actions) {
  int const workers = granted(*verdict.decision, seen.shortage);
  if (!verdict.failure) {
    actions.push_back(EnsureDispatcher{seen.spec->dispatcher.replicas});
    actions.push_back(EnsureWorkers{workers, verdict.decision->standby});
    plan_replacements(seen, verdict, actions);
  } else if (!verdict.failure->count_refused) {
    // By itself, so that nothing else that fails looks as if the count had.
    actions.push_back(ScaleWorkers{workers, verdict.decision->standby});
  }
}

/// With what the decision rests on. One that kept the count stands for those before it that said the same.
WriteStatus write_of(api::Status& status, Verdict const& verdict, WallTime now) {
  bool const made = verdict.decision && !(verdict.failure && verdict.failure->count_refused);
  if (!made || !status.last_decision) return {status};
  auto const current = record_of(verdict.decision_id, *verdict.decision, status.desired_replicas, now);
  if (current.from == current.to && current.reason == status.last_decision->reason)
    status.last_decision = current;
  if (status.last_decision->id != verdict.decision_id) return {status};
  return {status, explanation_of(*verdict.decision)};
}

}  // namespace

Plan make_plan(Observation const& seen, Verdict const& verdict, WallTime now) {
  Plan plan{{}, next_status(seen, verdict, now)};
  if (seen.metadata.deleting) return plan;
  if (seen.spec && verdict.decision) {
    plan_children(seen, verdict, plan.actions);
    if (!verdict.failure || !verdict.failure->count_refused) events_of_decision(seen, verdict, plan.actions);
  }
  event_of_quarantine(verdict, plan.actions);
  events_of_conditions(seen.status.conditions, plan.status.conditions, plan.actions);
  if (worth_writing(seen.status, plan.status, verdict.since_status_write)) {
    plan.actions.push_back(write_of(plan.status, verdict, now));
  }
  return plan;
}

}  // namespace ei::plan
