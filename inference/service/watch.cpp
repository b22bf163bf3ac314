#include "inference/service/watch.hpp"

#include <algorithm>

namespace ei::inference {

milliseconds job_limit(std::size_t pictures, milliseconds forward) {
  constexpr milliseconds kBase{10'000};
  constexpr milliseconds kDecode{1'000};
  constexpr milliseconds kSlowForward{50};
  constexpr milliseconds kMost{45'000};
  auto const slowness = std::max<std::int64_t>(1, forward / kSlowForward);
  milliseconds const picture = slowness * kDecode + forward;
  return std::min(kMost, kBase + 2 * static_cast<std::int64_t>(pictures) * picture);
}

void JobWatch::begin(Job job, milliseconds limit) {
  std::lock_guard const lock(mutex_);
  job_ = std::move(job);
  limit_ = limit;
  spent_ = milliseconds(0);
  told_ = false;
}

void JobWatch::end() {
  std::lock_guard const lock(mutex_);
  job_.reset();
}

std::optional<JobWatch::Overrun> JobWatch::tick(milliseconds elapsed) {
  std::lock_guard const lock(mutex_);
  if (!job_ || told_) return std::nullopt;
  spent_ += std::min(elapsed, 2 * kPeriod);
  if (spent_ <= limit_) return std::nullopt;
  told_ = true;
  return Overrun{job_, spent_, limit_};
}

}  // namespace ei::inference
