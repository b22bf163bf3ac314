#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "operator/scaling/settings.hpp"
#include "operator/scaling/snapshot.hpp"
#include "operator/simulation/rng.hpp"
#include "operator/simulation/time.hpp"

namespace ei::advice {

/// What two samples say about the time between them.
struct Interval {
  double seconds = 0;
  double requests = 0;                    ///< that arrived
  double answered = 0;                    ///< requests
  double late = 0;                        ///< of these, after the latency target
  std::optional<double> service_seconds;  ///< the mean, where something was answered
  double service_cv2 = 0;                 ///< squared coefficient of variation
};

/// Empty where the samples cannot be compared: dispatchers came or went, a counter fell, or no time passed.
[[nodiscard]] std::optional<Interval> between(scaling::Sample const& before, scaling::Sample const& after);

/// What comes in between one sample and the next.
class Meter {
 public:
  /// What came since the last sample, with the service time that is known, be it of an earlier interval.
  /// Empty for the first sample, for one that cannot be compared, where more than `longest` passed (nobody
  /// knows when in it the requests came), and while requests came and no service time is known.
  [[nodiscard]] std::optional<Interval> take(scaling::Sample const& sample, simulation::Duration longest);
  /// The next sample is a first one again.
  void forget() { last_.reset(); }

 private:
  std::optional<scaling::Sample> last_;
  std::optional<double> service_seconds_;  // the last known
  double service_cv2_ = 0;
};

/// Counters say what came between two samples, so one lost scrape is bridged; no longer gap is.
[[nodiscard]] simulation::Duration longest_interval(scaling::Settings const& settings);

/// A request, or several that come together and are served one after the other.
struct Job {
  simulation::Time at{};
  simulation::Duration service{};
  double requests = 1;
};

/// The requests of `interval` as jobs, from `begin` on: at random instants of it, as a Poisson stream has
/// them whose count is known, with lognormal service times. At most `most` jobs and one: above that each
/// stands for as many requests as are needed. Precondition: the service time is known.
[[nodiscard]] std::vector<Job> jobs_of(Interval const& interval, simulation::Time begin, std::size_t most,
                                       simulation::Rng& rng);

}  // namespace ei::advice
