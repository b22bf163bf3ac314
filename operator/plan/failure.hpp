#pragma once

#include "operator/plan/action.hpp"
#include "operator/plan/observation.hpp"
#include "runtime/core/result.hpp"

namespace ei::plan {

/// What a service's owner is told when the backend refuses what was planned (a quota, a role, an admission
/// webhook, a name that somebody else's object has): the condition WorkersReady and one event, the same for
/// as long as the refusal's words are. Failures that pass by themselves (conflicts, time-outs, an API server
/// that is away) are not told: nothing, then.
[[nodiscard]] Actions plan_failure(Observation const& seen, Error const& error, WallTime now);

}  // namespace ei::plan
