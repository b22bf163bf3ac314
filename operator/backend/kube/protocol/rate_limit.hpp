#pragma once

#include "runtime/core/units.hpp"

#include <chrono>

namespace ei::kube {

/// A token bucket: at most `burst` at once, `per_second` in the long run.
class TokenBucket {
 public:
  TokenBucket(double per_second, double burst) : per_second_(per_second), burst_(burst), tokens_(burst) {}

  /// Takes a token if there is one now.
  bool try_take(SteadyTime now);

  /// Takes a token in any case, and says how long to wait before using it: callers are
  /// served in the order they ask.
  std::chrono::milliseconds reserve(SteadyTime now);

  /// When it was last asked.
  SteadyTime used_at() const { return refilled_; }

 private:
  void refill(SteadyTime now);

  double per_second_;
  double burst_;
  double tokens_;  ///< negative while reserved tokens are outstanding
  SteadyTime refilled_{};
};

}  // namespace ei::kube
