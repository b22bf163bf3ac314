#pragma once

#include "operator/scaling/decision.hpp"
#include "operator/scaling/snapshot.hpp"
#include "operator/scaling/state.hpp"

namespace ei::scaling {

/// The classic rule, kept exactly: every interval ceil(cur·Q/target), the minimum when nothing waits, nothing
/// while a replica is not ready or within the cooldown of the last action in either direction; the first
/// action is free.
///
/// Call after `observe` gave a usable sample. The result is within the bounds.
Decision decide_queue_ratio(Settings const& settings, State& state, Snapshot const& snapshot, Time now);

}  // namespace ei::scaling
