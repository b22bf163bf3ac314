#include "operator/scaling/webhook.hpp"

#include "operator/scaling/latency.hpp"

namespace ei::scaling {
namespace {

Decision obey(Answer const& answer, int current) {
  Decision decision;
  decision.from = current;
  decision.to = answer.replicas;
  decision.term = Term::Webhook;
  decision.reason = decision.to == current ? Reason::Steady : Reason::WebhookAnswered;
  decision.formula = "the webhook answered " + std::to_string(answer.replicas) + ": " + answer.reason;
  if (!answer.explanation.empty()) decision.formula += " (" + answer.explanation + ")";
  decision.why_not_more = decision.why_not_less = decision.formula;
  return decision;
}

Decision hold(std::string why, int current) {
  Decision decision;
  decision.from = decision.to = current;
  decision.reason = Reason::WebhookFailed;
  decision.limit = Limit::NoData;
  decision.formula = decision.why_not_more = decision.why_not_less = std::move(why);
  return decision;
}

}  // namespace

Decision decide_webhook(Settings const& settings, State& state, Snapshot const& snapshot, Time now) {
  std::optional<Decision> instead;
  if (settings.on_webhook_failure == WebhookFailure::Latency)
    instead = decide_latency(settings, state, snapshot, now);
  bool const answered = snapshot.answer && snapshot.answer->failure.empty();
  if (answered) return obey(*snapshot.answer, snapshot.workers.current);
  std::string why = "no usable answer of the webhook";
  if (snapshot.answer) why += ": " + snapshot.answer->failure;
  if (!instead) return hold(std::move(why), snapshot.workers.current);
  instead->formula = why + "; Latency instead: " + instead->formula;
  return *std::move(instead);
}

}  // namespace ei::scaling
