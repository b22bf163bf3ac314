#include "operator/reconcile/settle.hpp"

namespace ei::reconcile {

std::optional<milliseconds> settle(Workqueue& queue, api::ServiceKey const& key, Result<Next> const& outcome,
                                   SteadyTime due, SteadyTime now) {
  if (outcome) {
    queue.done(key);
    if (*outcome == Next::Tick) queue.add(key, due);
    return std::nullopt;
  }
  auto const& error = outcome.error();
  if (error.kind == ErrorKind::Canceled) {
    queue.done(key);
    return std::nullopt;
  }
  // Where somebody was faster (a conflict), the first delay lets the cache catch up.
  return queue.failed(key, now, error.retry_after.value_or(milliseconds(0)));
}

}  // namespace ei::reconcile
