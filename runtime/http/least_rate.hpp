#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "runtime/core/units.hpp"

namespace ei::http {

/// Whether the other side moves bytes fast enough. Each byte earns the time that it takes at the least rate,
/// but never more than the grace ahead: what went quickly before excuses no standstill. Pure.
class LeastRate {
 public:
  /// `bytes_a_second` 0: no least rate.
  LeastRate(std::size_t bytes_a_second, milliseconds grace, SteadyTime now)
      : rate_(bytes_a_second), grace_(grace), until_(now + grace) {}

  /// `moved`: bytes since the beginning. When to look again; `now` or earlier: it is too slow.
  [[nodiscard]] SteadyTime look(std::uint64_t moved, SteadyTime now) {
    if (rate_ == 0) return SteadyTime::max();
    // More than the grace holds is worth no more, and a large count would overflow.
    double const seconds = static_cast<double>(moved - moved_) / static_cast<double>(rate_);
    double const most = std::chrono::duration<double>(grace_).count();
    auto const earned = std::chrono::duration<double>(std::min(seconds, most));
    moved_ = moved;
    until_ = std::min(until_ + std::chrono::duration_cast<SteadyTime::duration>(earned), now + grace_);
    return until_;
  }
  [[nodiscard]] SteadyTime until() const { return rate_ == 0 ? SteadyTime::max() : until_; }

 private:
  std::size_t rate_;
  milliseconds grace_;
  SteadyTime until_;
  std::uint64_t moved_ = 0;
};

}  // namespace ei::http
