#pragma once

#include <cstdint>
#include <vector>

#include "runtime/core/units.hpp"

namespace ei::reconcile {

/// Answers so far, summed over a service's dispatchers.
struct AnswerCounts {
  double total = 0;
  double late = 0;  ///< of these, over the latency target

  bool operator==(AnswerCounts const&) const = default;
};

/// What the series of one service need to know of its past. Pure; times must not run backwards.
class Indicators {
 public:
  /// How many answers came since the last look. None where the counts cannot be compared: at the first look,
  /// when dispatchers came or went (`epoch`), and when the latency target changed.
  [[nodiscard]] AnswerCounts answered(std::uint64_t epoch, milliseconds latency_target, AnswerCounts counts);

  /// Takes a decision for `to` workers where `from` were asked for before, and says how many seconds each
  /// worker that became ready by now had been awaited. A worker that is made in place of another one, and one
  /// that is no longer wanted before it is ready, is not among them.
  [[nodiscard]] std::vector<double> decided(int from, int to, int ready, SteadyTime now);

 private:
  struct Awaited {
    int level = 0;  ///< the service has so many workers once this one is ready
    SteadyTime since{};
  };

  bool known_ = false;
  std::uint64_t epoch_ = 0;
  milliseconds latency_target_{};
  AnswerCounts counts_;
  std::vector<Awaited> awaited_;  ///< ascending; at most spec.scaling.maxReplicas of them
};

}  // namespace ei::reconcile
