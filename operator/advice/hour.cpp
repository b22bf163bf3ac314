#include "operator/advice/hour.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ei::advice {
namespace {

// Decisions may be ten a second; what changes within a second is of no use to a policy that looks once in it.
// A little less, as a timer of a second is not exact.
constexpr double kLeastSeconds = 0.9;
// A model's weights or a machine's clock change, and what was served before then tells nothing.
constexpr double kServiceMemorySeconds = 600;

template <class T>
T bounded(double number) {
  return static_cast<T>(
      std::clamp(std::round(number), 0.0, static_cast<double>(std::numeric_limits<T>::max())));
}

// Of a span, a chart shows one count of workers.
constexpr int kMostTenths = 600;

/// Whether `span` goes on what `last` is: the same workers and no request.
bool goes_on(Span const& last, Span const& span) {
  return last.requests == 0 && span.requests == 0 && last.late == 0 && span.late == 0 &&
         last.workers == span.workers && last.tenths + span.tenths <= kMostTenths;
}

}  // namespace

void Hour::take(std::optional<scaling::Sample> const& sample, scaling::Settings const& settings, int workers,
                WallTime now, std::size_t most) {
  if (!sample) return;
  if (auto const interval = meter_.take(*sample, longest_interval(settings)))
    add(*interval, workers, now, most);
}

void Hour::add(Interval const& interval, int workers, WallTime now, std::size_t most) {
  learn(interval);
  seconds_ += interval.seconds;
  requests_ += interval.requests;
  late_ += interval.late;
  if (seconds_ < kLeastSeconds) return;
  Span span;
  auto const begin = std::chrono::duration_cast<WallTime::duration>(scaling::Seconds(seconds_));
  span.begin = bounded<std::uint32_t>(static_cast<double>(unix_seconds(now - begin)));
  span.requests = bounded<std::uint32_t>(requests_);
  span.late = bounded<std::uint32_t>(late_);
  span.tenths = bounded<std::uint16_t>((seconds_ + carried_) * 10);
  span.workers = bounded<std::uint16_t>(workers);
  carried_ += seconds_ - span.tenths / 10.0;
  seconds_ = requests_ = late_ = 0;
  if (!spans_.empty() && goes_on(spans_.back(), span) &&
      // Nothing unmeasured lies between them; a second is what both rounded away.
      span.begin <= spans_.back().begin + spans_.back().tenths / 10 + 1) {
    spans_.back().tenths = static_cast<std::uint16_t>(spans_.back().tenths + span.tenths);
  } else {
    spans_.push_back(span);
  }
  auto const oldest = unix_seconds(now) - kSeconds;
  auto const end = [](Span const& each) { return each.begin + each.tenths / 10; };
  while (spans_.size() > most || end(spans_.front()) < oldest) spans_.pop_front();
}

void Hour::learn(Interval const& interval) {
  double const kept = std::exp(-interval.seconds / kServiceMemorySeconds);
  weight_ *= kept;
  service_ *= kept;
  squares_ *= kept;
  if (!interval.service_seconds || interval.answered < 1) return;
  double const mean = *interval.service_seconds;
  weight_ += interval.answered;
  service_ += interval.answered * mean;
  squares_ += interval.answered * mean * mean * (1 + interval.service_cv2);
}

std::vector<Span> Hour::spans(WallTime now) const {
  auto const oldest = unix_seconds(now) - kSeconds;
  auto const first =
      std::find_if(spans_.begin(), spans_.end(), [&](Span const& each) { return each.begin >= oldest; });
  return {first, spans_.end()};
}

std::optional<ServiceTime> Hour::service() const {
  if (weight_ <= 0) return std::nullopt;
  double const mean = service_ / weight_;
  return ServiceTime{mean, std::max(0.0, squares_ / weight_ / (mean * mean) - 1)};
}

std::size_t most_spans(std::size_t services) {
  constexpr std::size_t kLeast = 60;
  auto const share = kMostHourBytes / sizeof(Span) / std::max<std::size_t>(services, 1);
  return std::clamp(share, kLeast, static_cast<std::size_t>(Hour::kSeconds));
}

}  // namespace ei::advice
