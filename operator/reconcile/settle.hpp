#pragma once

#include <optional>

#include "operator/reconcile/step.hpp"
#include "operator/reconcile/workqueue.hpp"

namespace ei::reconcile {

/// What becomes of `key` after its reconcile ended with `outcome`: it waits until `due`, for a change,
/// or for the delay that is returned, which each failure in a row doubles. After ErrorKind::Canceled only a
/// change brings it back: this operator may not write any more, and the next leader sees the service anew.
[[nodiscard]] std::optional<milliseconds> settle(Workqueue& queue, api::ServiceKey const& key,
                                                 Result<Next> const& outcome, SteadyTime due, SteadyTime now);

}  // namespace ei::reconcile
