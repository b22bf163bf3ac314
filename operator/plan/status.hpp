#pragma once

#include "operator/plan/verdict.hpp"

namespace ei::plan {

/// The status that says what was observed and decided; `seen.status` gives what must be kept (transition
/// times, history, the last numbers of the queue while there are none).
[[nodiscard]] api::Status next_status(Observation const& seen, Verdict const& verdict, WallTime now);

/// Numbers that move all the time are written no more often than this; what people
/// wait for is written at once.
inline constexpr milliseconds kStatusRefresh{10'000};

/// False when `next` says nothing new, or only new numbers of a queue while the last write is younger than
/// kStatusRefresh: an idle service costs no writes, and a busy one six a minute.
[[nodiscard]] bool worth_writing(api::Status const& written, api::Status const& next,
                                 milliseconds since_write);

}  // namespace ei::plan
