#pragma once

#include "operator/scaling/decision.hpp"
#include "operator/scaling/snapshot.hpp"
#include "operator/scaling/state.hpp"

namespace ei::scaling {

/// Does what another program answered for this snapshot. Without a usable answer the count stays, or the
/// default policy decides, as `on_webhook_failure` says; its history is kept for that.
///
/// Call after `observe` gave a usable sample. Nothing is clamped yet.
Decision decide_webhook(Settings const& settings, State& state, Snapshot const& snapshot, Time now);

}  // namespace ei::scaling
