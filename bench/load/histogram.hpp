#pragma once

#include <chrono>
#include <cstdint>
#include <map>

namespace ei::bench {

/// Counts durations in buckets whose width grows with the value, as HdrHistogram does: percentiles to three
/// significant digits in memory that does not grow with the number of values (at most 23,552 buckets, only
/// those in use are kept).
///
/// Values are kept in whole microseconds (rounded). Up to 2,047 µs each has a bucket of its own; above, every
/// doubling of the value is cut into 1,024 buckets, so the reported value differs from the recorded one by
/// less than 0.1 %.
class Histogram {
 public:
  using microseconds = std::chrono::microseconds;

  /// Negative durations count as zero; those over kLongest as kLongest.
  void record(std::chrono::nanoseconds duration);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// Nearest rank: the least recorded value that `ratio` (in [0, 1]) of the values do not exceed, rounded up
  /// to the end of its bucket, never above max(). Zero when nothing was recorded.
  [[nodiscard]] microseconds percentile(double ratio) const;
  [[nodiscard]] microseconds max() const { return microseconds(max_); }
  /// Exact.
  [[nodiscard]] double mean_seconds() const;

  /// 2^32 µs, an hour and more: far over any timeout of a request.
  static constexpr std::uint64_t kLongest = (std::uint64_t{1} << 32) - 1;

 private:
  static std::uint32_t bucket_of(std::uint64_t value);
  static std::uint64_t last_value_of(std::uint32_t bucket);

  std::map<std::uint32_t, std::uint32_t> counts_;  ///< by bucket
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
  double sum_seconds_ = 0;
};

}  // namespace ei::bench
