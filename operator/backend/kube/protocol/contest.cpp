#include "operator/backend/kube/protocol/contest.hpp"

#include <algorithm>

namespace ei::kube {

void Contest::undone(SteadyTime now) {
  if (undone_) return;
  undone_ = true;
  ++times_;
  next_ = now;
  if (times_ <= kAtOnce) return;
  // Beyond this many doublings it is the longest anyhow.
  constexpr int kMostDoublings = 10;
  auto const doublings = std::min(times_ - kAtOnce - 1, kMostDoublings);
  next_ += std::min(kLongest, kFirst * (1 << doublings));
}

void Contest::written(SteadyTime now) {
  undone_ = false;
  written_ = now;
}

void Contest::stands(SteadyTime now) {
  if (undone_) written(now);
}

}  // namespace ei::kube
