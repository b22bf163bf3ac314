#pragma once

#include <chrono>

namespace ei::simulation {

/// Virtual time counts from the epoch of the clock that the production code takes its `now` from.
using Time = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

inline Duration seconds(double count) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(count));
}
inline double in_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace ei::simulation
