#include "operator/advice/feed.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ei::advice {

std::optional<Interval> between(scaling::Sample const& before, scaling::Sample const& after) {
  bool const reset = before.epoch != after.epoch || after.arrivals < before.arrivals ||
                     after.completions < before.completions ||
                     after.service_seconds < before.service_seconds ||
                     after.service_seconds_squared < before.service_seconds_squared;
  if (reset || after.at <= before.at) return std::nullopt;
  Interval interval;
  interval.seconds = simulation::in_seconds(after.at - before.at);
  interval.requests = std::round(after.arrivals - before.arrivals);
  double const answered = interval.answered = after.completions - before.completions;
  interval.late = std::max(0.0, after.late.value_or(0) - before.late.value_or(0));
  double const busy = after.service_seconds - before.service_seconds;
  if (answered >= 1 && busy > 0) {
    double const mean = busy / answered;
    interval.service_seconds = mean;
    double const square = (after.service_seconds_squared - before.service_seconds_squared) / answered;
    interval.service_cv2 = std::max(0.0, square / (mean * mean) - 1);
  }
  return interval;
}

std::optional<Interval> Meter::take(scaling::Sample const& sample, simulation::Duration longest) {
  auto const last = std::exchange(last_, sample);
  if (!last || sample.at - last->at > longest) return std::nullopt;
  auto interval = between(*last, sample);
  if (!interval) return std::nullopt;
  if (interval->service_seconds) {
    service_seconds_ = interval->service_seconds;
    service_cv2_ = interval->service_cv2;
  }
  if (interval->requests > 0 && !service_seconds_) return std::nullopt;
  interval->service_seconds = service_seconds_;
  interval->service_cv2 = service_cv2_;
  return interval;
}

simulation::Duration longest_interval(scaling::Settings const& settings) {
  return settings.interval * 5 / 2;
}

std::vector<Job> jobs_of(Interval const& interval, simulation::Time begin, std::size_t most,
                         simulation::Rng& rng) {
  std::vector<Job> jobs;
  double const each =
      std::max(1.0, std::ceil(interval.requests / static_cast<double>(std::max<std::size_t>(most, 1))));
  for (double left = interval.requests; left > 0; left -= each) {
    Job& job = jobs.emplace_back();
    job.requests = std::min(left, each);
    job.at = begin + simulation::seconds(interval.seconds * rng.uniform());
    // The sum of so many: in mean and variance.
    job.service = simulation::seconds(
        rng.lognormal(job.requests * *interval.service_seconds, interval.service_cv2 / job.requests));
  }
  std::sort(jobs.begin(), jobs.end(), [](auto const& a, auto const& b) { return a.at < b.at; });
  return jobs;
}

}  // namespace ei::advice
