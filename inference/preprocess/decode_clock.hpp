#pragma once

#include <chrono>
#include <cstdint>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// How long one decoding computes, as the thread's own processor time: what others do on the same core does
/// not count. The inspection bounds the work beforehand; this is for what only the data decides (arithmetic
/// coding above all).
class DecodeClock {
 public:
  /// One second for each dispatcher::kWholePixels that the header announces, or part of it: ordinary
  /// pictures take a tenth to a third of that.
  explicit DecodeClock(std::uint64_t pixels);
  [[nodiscard]] bool over() const;
  /// A 413 that says so.
  [[nodiscard]] Error error() const;

 private:
  std::chrono::steady_clock::time_point wall_start_;
  std::chrono::nanoseconds start_;
  std::chrono::nanoseconds limit_;
};

}  // namespace ei::inference
