#pragma once

#include <cstdint>

#include "operator/scaling/settings.hpp"
#include "operator/simulation/cluster.hpp"

namespace ei::advice {

/// The advisor's policy as the simulator runs it, with its upstream defaults. `settings` are the acting
/// policy's: its queue target, cooldown and latency target hold for the advisors of ours too. Behind each
/// stands our dispatcher, late lane and all: only the policy is another.
[[nodiscard]] simulation::Scaler scaler_of(scaling::Advisor advisor, scaling::Settings const& settings,
                                           std::uint64_t seed);

/// The least that it asks for where the spec's minimum is `least`.
[[nodiscard]] int least_of(scaling::Advisor advisor, int least);

}  // namespace ei::advice
