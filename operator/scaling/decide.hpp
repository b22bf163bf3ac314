#pragma once

#include "operator/scaling/decision.hpp"
#include "operator/scaling/settings.hpp"
#include "operator/scaling/snapshot.hpp"
#include "operator/scaling/state.hpp"

namespace ei::scaling {

/// Decides how many workers a service shall have. Pure: call it every `settings.interval`, and as often in
/// between as is convenient; `now` must not run backwards for one `state`.
///
/// `decision.to` is within [min_replicas, max_replicas] unless paused or advising, where
/// `decision.advised` is. Unusable samples
/// (missing, older than two intervals, NaN, infinite, negative, after a counter reset) are no
/// data, never zero: they never scale down.
Decision decide(Settings const& settings, State& state, Snapshot const& snapshot, Time now);

}  // namespace ei::scaling
