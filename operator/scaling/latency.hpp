#pragma once

#include "operator/scaling/decision.hpp"
#include "operator/scaling/snapshot.hpp"
#include "operator/scaling/state.hpp"

namespace ei::scaling {

/// The default policy: as few workers as keep the latency target, from queueing theory. It knows the arrival
/// rate and the service time, so it says how many workers a load needs instead of reacting to how badly the
/// present number copes. Up at once, on the largest of four terms (load, burst, backlog, queue over target);
/// down once no decision of the hold window needed more.
///
/// Call after `observe` gave a usable sample. Nothing is clamped yet: `to` may exceed the bounds, while the
/// late share and the explanations hold for the count within them.
Decision decide_latency(Settings const& settings, State& state, Snapshot const& snapshot, Time now);

}  // namespace ei::scaling
