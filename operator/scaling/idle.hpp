#pragma once

#include "operator/scaling/decision.hpp"
#include "operator/scaling/snapshot.hpp"
#include "operator/scaling/state.hpp"

namespace ei::scaling {

/// Scale to zero, and back: with a minimum of 0 and a policy of our own the last worker leaves when no
/// request has come for `idle_after` and nothing waits, and the first request brings one back, whatever the
/// policy's rule says of one worker more or fewer. Under `Webhook` the program says when the last worker
/// leaves, but not while requests wait; the first request brings one back as well. Call after the policy has
/// decided and before the bounds.
///
/// A service with workers never goes to zero without data, nor while none of its workers has become ready:
/// what keeps them from it would be hidden. A service without workers does not stay there without data.
void apply_idle(Settings const& settings, State& state, Snapshot const& snapshot, SampleUse use, Time now,
                Decision& decision);

}  // namespace ei::scaling
