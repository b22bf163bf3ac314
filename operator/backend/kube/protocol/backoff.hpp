#pragma once

#include <chrono>
#include <cstdint>

namespace ei::kube {

/// Deterministic jitter: the same seed gives the same numbers on every platform
/// (SplitMix64, Steele et al. 2014).
class Jitter {
 public:
  explicit Jitter(std::uint64_t seed) : state_(seed) {}

  /// Uniform in [0, 1).
  double next();
  /// `duration` times a factor in [1, 1 + spread).
  std::chrono::milliseconds stretch(std::chrono::milliseconds duration, double spread);

 private:
  std::uint64_t state_;
};

/// Doubling delays between a floor and a ceiling.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds floor, std::chrono::milliseconds ceiling)
      : floor_(floor), ceiling_(ceiling) {}

  /// The next delay, stretched by up to half so that clients that failed together do not return together.
  std::chrono::milliseconds next(Jitter& jitter);
  void reset() { failures_ = 0; }
  int failures() const { return failures_; }

 private:
  std::chrono::milliseconds floor_;
  std::chrono::milliseconds ceiling_;
  int failures_ = 0;
};

}  // namespace ei::kube
