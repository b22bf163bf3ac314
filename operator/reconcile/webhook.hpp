#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operator/api/service.hpp"
#include "operator/scaling/snapshot.hpp"
#include "runtime/core/units.hpp"

// When a service's webhook is asked, and what a decision makes of its answers. Pure. A reconcile only begins
// the post; its answer comes at any time, and the next decision goes by it.
namespace ei::reconcile {

/// What is remembered of one service's webhook.
struct Consulted {
  api::Webhook of;                        ///< whom it is about
  bool waiting = false;                   ///< one post is under way, perhaps still to an earlier one
  bool outdated = false;                  ///< and nobody wants its answer
  std::optional<scaling::Answer> answer;  ///< the last one
  SteadyTime answered{};
  int failures = 0;   ///< in a row
  SteadyTime next{};  ///< not asked before
};

/// After the second failure in a row each further one doubles the wait for the next question, up to this: a
/// program that was restarted decides again within the quarter of a minute.
inline constexpr milliseconds kLongestWebhookPause{15'000};

/// Follows the spec: remembers nothing of a webhook that is not asked any more.
void consult(std::unique_ptr<Consulted>& memory, std::vector<api::Webhook> const& wanted);

/// Whether this beat's snapshot is to be posted. `memory` may be null.
[[nodiscard]] bool wants_question(Consulted const* memory, SteadyTime now);

/// Notes that a post begins, and gives its body.
[[nodiscard]] std::string begin_question(Consulted& memory, std::string_view service,
                                         scaling::Settings const& settings, scaling::Snapshot const& snapshot,
                                         SteadyTime now);

/// How long an answer may take: never longer than the interval, so that posts do not pile up.
[[nodiscard]] milliseconds answer_deadline(api::Webhook const& webhook, milliseconds interval);

/// Takes the answer of the one post. True: it says something new, so that the service is to be looked at now.
[[nodiscard]] bool take_answer(Consulted& memory, scaling::Answer answer, SteadyTime now);

/// What a decision now goes by; none before the first answer. An answer is good until the next one, but for
/// at most three intervals: after a pause of the operator it is about another load. `memory` may be null.
[[nodiscard]] std::optional<scaling::Answer> answer_of(Consulted const* memory, milliseconds interval,
                                                       SteadyTime now);

}  // namespace ei::reconcile
