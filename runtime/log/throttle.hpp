#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "runtime/core/units.hpp"

namespace ei::log {

/// Holds lines back that strangers can cause without end, so that they fill no disk: a few at once tell what
/// happens, and then one in a while that it goes on. Pure.
class Throttle {
 public:
  /// Lines at once.
  static constexpr std::uint64_t kBurst = 5;
  /// Then one in this time: some 2 MB a day.
  static constexpr milliseconds kPeriod{10'000};

  /// Empty: this line is not to be written. Else how many were not since the last one that was.
  [[nodiscard]] std::optional<std::uint64_t> admit(SteadyTime now) {
    auto const earned = (now - refilled_) / kPeriod;
    if (earned > 0) {
      left_ = std::min(kBurst, left_ + static_cast<std::uint64_t>(earned));
      refilled_ = left_ == kBurst ? now : refilled_ + earned * kPeriod;
    }
    if (left_ == 0) {
      ++held_back_;
      return std::nullopt;
    }
    --left_;
    return std::exchange(held_back_, 0);
  }

 private:
  std::uint64_t left_ = kBurst;
  std::uint64_t held_back_ = 0;
  SteadyTime refilled_{};
};

}  // namespace ei::log
