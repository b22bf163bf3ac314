#pragma once

#include "operator/plan/verdict.hpp"

namespace ei::plan {

/// The status that says what was observed and decided; `seen.status` gives what must be kept (transition
/// times, history, the last numbers of the queue while there are none).
[[nodiscard]] api::Status next_status(Observation const& seen, Verdict const& verdict, WallTime now);

/// Numbers that move all the time are written no more often than this; what people
/// wait for is written at once.
inline constexpr milliseconds kStatusRefresh{10'000};

/// The sums of advice grow each second, also of an idle service. They are read after hours: two writes a
/// minute keep them fresh, where nothing else is to be written.
inline constexpr milliseconds kAdviceRefresh{30'000};

/// False when `next` says nothing new, or only new numbers of a queue while the last write is younger than
/// kStatusRefresh, or of advice alone while it is younger than kAdviceRefresh: an idle service without
/// advisors costs no writes, and a busy one six a minute.
[[nodiscard]] bool worth_writing(api::Status const& written, api::Status const& next,
                                 milliseconds since_write);

}  // namespace ei::plan
