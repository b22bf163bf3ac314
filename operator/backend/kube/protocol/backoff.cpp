#include "operator/backend/kube/protocol/backoff.hpp"

#include <algorithm>

namespace ei::kube {

double Jitter::next() {
  state_ += 0x9E3779B97F4A7C15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  z ^= z >> 31U;
  return static_cast<double>(z >> 11U) * 0x1.0p-53;
}

std::chrono::milliseconds Jitter::stretch(std::chrono::milliseconds duration, double spread) {
  auto const factor = 1.0 + spread * next();
  return std::chrono::milliseconds(static_cast<std::int64_t>(static_cast<double>(duration.count()) * factor));
}

std::chrono::milliseconds Backoff::next(Jitter& jitter) {
  // Past 20 doublings every floor has met its ceiling.
  auto const doublings = std::min(failures_++, 20);
  auto const delay = std::min(ceiling_, floor_ * (std::int64_t{1} << doublings));
  return jitter.stretch(delay, 0.5);
}

}  // namespace ei::kube
