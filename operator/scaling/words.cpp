#include "operator/scaling/words.hpp"

#include "operator/scaling/text.hpp"

#include <utility>

namespace ei::scaling {
namespace {

std::string ready_workers(Inputs const& inputs) {
  auto words = text("%d %s ready", inputs.ready, inputs.ready == 1 ? "worker is" : "workers are");
  if (inputs.starting > 0)
    words += text(", %d %s", inputs.starting, inputs.starting == 1 ? "starts" : "start");
  if (inputs.overdue > 0) words += text(" (%d of them for far too long)", inputs.overdue);
  if (inputs.standby > 0) words += text(", %d on standby", inputs.standby);
  if (inputs.promoted > 0) words += text(" (%d promoted)", inputs.promoted);
  return words;
}

}  // namespace

std::string measured_in_words(Inputs const& inputs) {
  std::string words;
  auto const add = [&](std::string more) { words += (words.empty() ? "" : "; ") + std::move(more); };
  if (inputs.sample != SampleUse::Fresh && inputs.sample != SampleUse::Repeated)
    add("there is no usable sample (" + std::string(name(inputs.sample)) + ")");
  if (inputs.arrival_rps) add(text("%.1f requests/s arrive", *inputs.arrival_rps));
  if (inputs.burst_rps) add(text("they rise towards %.1f requests/s", *inputs.burst_rps));
  if (inputs.service_seconds) add(text("one takes %.3f s", *inputs.service_seconds));
  if (inputs.offered_load) add(text("that keeps %.2f workers busy", *inputs.offered_load));
  if (inputs.queue) {
    add(text("%.0f wait and %.0f are being computed", *inputs.queue, inputs.in_flight.value_or(0)));
    if (*inputs.queue > 0 && inputs.oldest_age_seconds)
      words += text(", the oldest for %.2f s", *inputs.oldest_age_seconds);
  }
  add(ready_workers(inputs));
  return words;
}

std::vector<Asked> asked_for(Inputs const& inputs) {
  std::vector<Asked> asked{{name(Term::Load), "the load", inputs.load_workers},
                           {name(Term::Burst), "a burst", inputs.burst_workers},
                           {name(Term::Backlog), "the backlog", inputs.backlog_workers},
                           {name(Term::QueueTarget), "queueTarget", inputs.queue_target_workers},
                           {"Held", "the most within the hold window", inputs.held_workers},
                           {"Recurring", "a surge that keeps coming back", inputs.recurring_workers}};
  std::erase_if(asked, [](Asked const& each) { return each.workers <= 0; });
  return asked;
}

std::string terms_in_words(Inputs const& inputs, std::string_view term) {
  std::string words;
  for (auto const& asked : asked_for(inputs)) {
    words += (words.empty() ? "" : ", ") + std::string(asked.words) + " " + std::to_string(asked.workers);
    if (asked.name == name(Term::Load) && inputs.spare_workers > 0)
      words += text(" (%d of them because starts are slow)", inputs.spare_workers);
  }
  if (term.empty() || term == name(Term::None)) return words;
  return words + (words.empty() ? "" : "; ") + "the term " + std::string(term) + " won";
}

std::string limit_in_words(std::string_view limit) {
  constexpr std::pair<Limit, std::string_view> kWords[] = {
      {Limit::None, "nothing held the answer back"},
      {Limit::Minimum, "minReplicas kept it from going lower"},
      {Limit::Maximum, "maxReplicas kept it from going higher"},
      {Limit::HoldWindow, "what was needed a moment ago is kept until the hold window has passed"},
      {Limit::FirstWindow, "nothing is taken away before a whole hold window has been observed"},
      {Limit::Cooldown, "the cooldown of the last change has not passed"},
      {Limit::WorkersNotReady, "it waits until every worker is ready"},
      {Limit::Interval, "the interval has not passed"},
      {Limit::NoData, "without data the count stays"},
      {Limit::IdleAfter, "the last worker stays for spec.scaling.idleAfter after the last request"},
      {Limit::Paused, "spec.scaling.paused keeps the count"},
      {Limit::Advice, "spec.scaling.mode Advise keeps the count"},
  };
  for (auto const& [each, words] : kWords) {
    if (limit == name(each)) return std::string(words);
  }
  return std::string(limit);
}

}  // namespace ei::scaling
