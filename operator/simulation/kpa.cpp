#include "operator/simulation/kpa.hpp"

#include <algorithm>
#include <cmath>

namespace ei::simulation {

void Kpa::observe(double concurrency) {
  buckets_.push_back(concurrency);
  auto const kept = static_cast<std::size_t>(
      std::chrono::duration_cast<std::chrono::seconds>(settings_.stable_window).count());
  if (buckets_.size() > kept) buckets_.pop_front();
}

double Kpa::average(Duration window) const {
  auto const wanted =
      static_cast<std::size_t>(std::chrono::duration_cast<std::chrono::seconds>(window).count());
  std::size_t const count = std::min(wanted, buckets_.size());
  if (count == 0) return 0;
  double sum = 0;
  for (std::size_t i = buckets_.size() - count; i < buckets_.size(); ++i) sum += buckets_[i];
  return sum / static_cast<double>(count);
}

int Kpa::decide(int ready, Time now) {
  double const serving = std::max(1, ready);
  double const up_limit = std::ceil(settings_.max_scale_up_ratio * serving);
  double const down_limit = std::floor(serving / settings_.max_scale_down_ratio);
  double const stable_wanted = std::ceil(average(settings_.stable_window) / settings_.target_concurrency);
  double const panic_wanted = std::ceil(average(settings_.panic_window) / settings_.target_concurrency);
  auto const limited = [&](double wanted) {
    return static_cast<int>(std::min(std::max(wanted, down_limit), up_limit));
  };

  bool const over = panic_wanted / serving >= settings_.panic_threshold_ratio;
  if (over) {
    if (!panic_since_) most_in_panic_ = 0;
    panic_since_ = now;
  } else if (panic_since_ && *panic_since_ + settings_.stable_window < now) {
    panic_since_.reset();
  }
  int wanted = limited(stable_wanted);
  if (panic_since_) {
    // The larger of both windows, and no decrease while it panics.
    most_in_panic_ = std::max({most_in_panic_, wanted, limited(panic_wanted), static_cast<int>(serving)});
    wanted = most_in_panic_;
  }
  return std::clamp(wanted, settings_.min_replicas, settings_.max_replicas);
}

}  // namespace ei::simulation
