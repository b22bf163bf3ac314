#include "bench/load/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ei::bench {
namespace {

constexpr int kFineBits = 11;  // values of at most 11 bits are exact
constexpr std::uint64_t kHalf = std::uint64_t{1} << (kFineBits - 1);

}  // namespace

std::uint32_t Histogram::bucket_of(std::uint64_t value) {
  int const shift = std::max(0, static_cast<int>(std::bit_width(value)) - kFineBits);
  // value >> shift is in [kHalf, 2 kHalf) once shift > 0, so each doubling adds kHalf buckets.
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(shift) * kHalf + (value >> shift));
}

std::uint64_t Histogram::last_value_of(std::uint32_t bucket) {
  if (bucket < 2 * kHalf) return bucket;
  std::uint64_t const shift = bucket / kHalf - 1;
  std::uint64_t const mantissa = bucket - shift * kHalf;
  return ((mantissa + 1) << shift) - 1;
}

void Histogram::record(std::chrono::nanoseconds duration) {
  auto const rounded = std::chrono::round<microseconds>(std::max(duration, std::chrono::nanoseconds(0)));
  std::uint64_t const value = std::min(static_cast<std::uint64_t>(rounded.count()), kLongest);
  ++counts_[bucket_of(value)];
  ++count_;
  max_ = std::max(max_, value);
  sum_seconds_ += std::chrono::duration<double>(duration).count();
}

Histogram::microseconds Histogram::percentile(double ratio) const {
  if (count_ == 0) return microseconds(0);
  double const wanted = std::ceil(std::clamp(ratio, 0.0, 1.0) * static_cast<double>(count_));
  std::uint64_t const rank = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(wanted));
  std::uint64_t seen = 0;
  for (auto const& [bucket, count] : counts_) {
    seen += count;
    if (seen >= rank) return microseconds(std::min(last_value_of(bucket), max_));
  }
  return max();
}

double Histogram::mean_seconds() const {
  return count_ == 0 ? 0 : sum_seconds_ / static_cast<double>(count_);
}

}  // namespace ei::bench
