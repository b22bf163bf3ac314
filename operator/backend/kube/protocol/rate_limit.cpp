#include "operator/backend/kube/protocol/rate_limit.hpp"

#include <algorithm>
#include <cmath>

namespace ei::kube {

void TokenBucket::refill(SteadyTime now) {
  if (now <= refilled_) return;
  // The very first call finds a full bucket whatever the clock's origin.
  auto const elapsed_seconds = std::chrono::duration<double>(now - refilled_).count();
  tokens_ = std::min(burst_, tokens_ + elapsed_seconds * per_second_);
  refilled_ = now;
}

bool TokenBucket::try_take(SteadyTime now) {
  refill(now);
  if (tokens_ < 1.0) return false;
  tokens_ -= 1.0;
  return true;
}

std::chrono::milliseconds TokenBucket::reserve(SteadyTime now) {
  refill(now);
  tokens_ -= 1.0;
  if (tokens_ >= 0.0) return std::chrono::milliseconds(0);
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(-tokens_ / per_second_ * 1000.0)));
}

}  // namespace ei::kube
