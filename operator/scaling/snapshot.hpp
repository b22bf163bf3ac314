#pragma once

#include "operator/scaling/settings.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ei::scaling {

/// One scrape of every dispatcher of a service, summed (the oldest age is their maximum). Offer a sample only
/// when all of them answered: a sum over some of them looks like a counter reset, or worse, like less load.
struct Sample {
  Time at{};  ///< when the scrape was answered

  // Counters since the dispatchers started.
  double arrivals = 0;     ///< valid requests offered, rejected ones included
  double completions = 0;  ///< jobs a worker finished
  double service_seconds = 0;
  double service_seconds_squared = 0;
  std::optional<double> late;  ///< answers after the latency target; empty when the caller cannot tell

  // Gauges.
  double queue = 0;  ///< requests waiting
  double in_flight = 0;
  double oldest_age_seconds = 0;  ///< of the queue's head; 0 when nothing waits

  /// Names the set of dispatcher processes that was summed. Any change is a counter reset, also when the new
  /// sum happens to be larger; 0 throughout when the caller cannot tell.
  std::uint64_t epoch = 0;

  bool operator==(Sample const&) const = default;
};

/// One worker that is wanted (a draining one is not). Ages, not instants: the caller's clocks may differ.
struct Worker {
  std::string name;
  bool ready = false;
  double not_ready_seconds = 0;         ///< how long it has not been ready though it could; 0 when it is
  std::optional<double> start_seconds;  ///< creation to first ready, once it has been ready
  /// A worker that runs the same was ever ready, so what keeps this one may be its own.
  bool proven = true;

  bool operator==(Worker const&) const = default;
};

/// From the decision to the promoted worker's first job: a resize was in force 0.4 s after it was asked for
/// on a node, and the worker looks for it every 50 ms. On one machine it is a tenth of that.
inline constexpr double kPromotionSeconds = 0.5;

struct Workers {
  int current = 0;  ///< the replica count in force: what the last decision asked for
  std::vector<Worker> list;
  /// They serve kPromotionSeconds after they are wanted, once they are ready.
  std::vector<Worker> standbys{};

  int ready() const;
  /// Those not ready: coming capacity.
  int starting() const;
  int ready_standbys() const;

  bool operator==(Workers const&) const = default;
};

/// What the program behind `Webhook` says of a snapshot. It is a part of the snapshot, so that a decision
/// stays a function of what is logged.
struct Answer {
  int replicas = 0;         ///< as it was answered: the bounds of the settings are applied afterwards
  std::string reason;       ///< a word
  std::string explanation;  ///< a sentence, or nothing
  std::string failure;      ///< why there is no usable answer; empty when there is one

  bool operator==(Answer const&) const = default;
};

/// All that a decision may look at.
struct Snapshot {
  std::optional<Sample> sample;  ///< the newest scrape, or nothing when it failed
  Workers workers;
  std::optional<Answer> answer{};  ///< under `Webhook` alone
  /// A dispatcher has told of a request that came while no worker ran, and none runs yet.
  bool called = false;
  bool untried = false;  ///< the spec is new: nobody knows yet whether a worker of it can run

  bool operator==(Snapshot const&) const = default;
};

}  // namespace ei::scaling
