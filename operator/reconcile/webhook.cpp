#include "operator/reconcile/webhook.hpp"

#include <algorithm>
#include <utility>

#include "operator/api/limits.hpp"
#include "operator/scaling/exchange.hpp"

namespace ei::reconcile {
namespace {

constexpr milliseconds kShortestPause{1'000};
constexpr int kIntervalsGood = 3;

milliseconds pause_after(int failures) {
  // One failure may be chance.
  if (failures < 2) return milliseconds(0);
  auto const doublings = std::min(failures - 2, 10);
  return std::min(kShortestPause * (1 << doublings), kLongestWebhookPause);
}

}  // namespace

void consult(std::unique_ptr<Consulted>& memory, std::vector<api::Webhook> const& wanted) {
  if (wanted.empty()) {
    if (memory && memory->waiting) {
      memory->outdated = true;
      memory->answer.reset();
    } else {
      memory.reset();
    }
    return;
  }
  auto const& webhook = wanted.front();
  if (!memory) memory = std::make_unique<Consulted>();
  bool const same = memory->of == webhook && !memory->outdated;
  if (same) return;
  bool const waiting = memory->waiting;
  *memory = Consulted{};
  memory->of = webhook;
  memory->waiting = memory->outdated = waiting;
}

bool wants_question(Consulted const* memory, SteadyTime now) {
  return memory != nullptr && !memory->waiting && now >= memory->next;
}

std::string begin_question(Consulted& memory, std::string_view service, scaling::Settings const& settings,
                           scaling::Snapshot const& snapshot, SteadyTime now) {
  memory.waiting = true;
  return scaling::question(service, settings, snapshot, now);
}

milliseconds answer_deadline(api::Webhook const& webhook, milliseconds interval) {
  auto const wanted = webhook.timeout.count() > 0 ? webhook.timeout : interval / 2;
  return std::min({wanted, interval, api::kWebhookTimeout.most});
}

bool take_answer(Consulted& memory, scaling::Answer answer, SteadyTime now) {
  memory.waiting = false;
  // The webhook of today has still to be asked.
  if (std::exchange(memory.outdated, false)) return false;
  memory.failures = answer.failure.empty() ? 0 : memory.failures + 1;
  memory.next = now + pause_after(memory.failures);
  auto const& last = memory.answer;
  bool const news =
      !last || last->replicas != answer.replicas || last->failure.empty() != answer.failure.empty();
  memory.answer = std::move(answer);
  memory.answered = now;
  return news;
}

std::optional<scaling::Answer> answer_of(Consulted const* memory, milliseconds interval, SteadyTime now) {
  if (memory == nullptr || !memory->answer) return {};
  bool const failed = !memory->answer->failure.empty();
  auto const age = now - memory->answered;
  if (failed || age <= kIntervalsGood * interval) return memory->answer;
  scaling::Answer old;
  old.failure = "its last answer is " + format_duration(std::chrono::floor<milliseconds>(age)) + " old";
  return old;
}

}  // namespace ei::reconcile
