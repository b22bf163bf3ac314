#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "operator/advice/feed.hpp"
#include "operator/api/status.hpp"
#include "operator/scaling/settings.hpp"
#include "operator/scaling/snapshot.hpp"
#include "operator/simulation/cluster.hpp"

// What other policies would have cost a service that runs. Each advisor decides for a small model of the
// service, which is offered as many requests as arrived, with service times as they were measured. The
// model's clock stands still while nothing is measured, so that a lost scrape neither invents load nor rest.
// docs/scaling.md, "Advisors", says what the model leaves out. Pure.
namespace ei::advice {

/// What is known of the service at one decision.
struct Beat {
  scaling::Settings const& settings;              ///< in force
  std::vector<scaling::Advisor> const& advisors;  ///< wanted; not empty
  std::optional<scaling::Sample> const& sample;   ///< the newest; empty while nobody can be asked
  double refused = 0;                             ///< requests so far that found the queue full
  int replicas = 0;                               ///< the count in force
  int existing = 0;                               ///< workers, those that leave included
  double cores = 1;                               ///< of each worker
  double start_seconds = 0;                       ///< expected creation to ready
  std::size_t queue_capacity = 0;                 ///< of all dispatchers together
  milliseconds request_timeout{};
};

/// The work for one second of a service, over all advisors: at 0.2 us a job half of the millisecond that
/// advice may take of the operator. Above it, a job of the model stands for several requests.
inline constexpr double kMostJobsPerSecond = 2'400;
/// And for one interval, however long: 5 ms, for which all other services wait.
inline constexpr double kMostJobsAtOnce = 24'000;
/// Of waiting requests, 120 bytes each: 240 kB for an advisor that is far too slow, 2 MB for eight, where the
/// operator's pod has 128 MiB for all services. Who waits behind so many is late either way.
inline constexpr std::size_t kMostWaiting = 2'000;

class Advice {
 public:
  /// Puts a decision's beat into the sums. `now` is of the clock that samples are taken by; neither may run
  /// backwards. The sums begin anew at midnight UTC, and when what they rest on changes: the list of advisors
  /// or a setting other than the bounds.
  void take(Beat const& beat, SteadyTime now, WallTime wall);

  [[nodiscard]] api::Advice report() const;

 private:
  struct Sums {
    double core_seconds = 0;
    double late = 0;
  };
  struct Simulated {
    scaling::Advisor advisor{};
    std::unique_ptr<simulation::Cluster> cluster;
    Sums sums;
  };
  struct Last {
    double refused = 0;
    int existing = 0;
  };

  void begin(Beat const& beat, SteadyTime now, WallTime wall);
  void begin_sums(WallTime since);
  void count(Beat const& beat);
  void simulate(Beat const& beat, Interval const& interval);

  scaling::Settings settings_;  // without bounds and what only stops the acting policy
  std::vector<Simulated> advisors_;
  simulation::Rng rng_{0xadface};  // any number: the same measurements give the same advice
  simulation::Time reached_{};     // by the models
  SteadyTime counted_{};           // the sums hold the time until here
  Meter meter_;
  Last last_;  // of the last sample
  WallTime since_{};
  double measured_seconds_ = 0;
  double unmeasured_seconds_ = 0;
  double requests_ = 0;
  int acting_replicas_ = 0;
  Sums acting_;
};

}  // namespace ei::advice
