#pragma once

#include "runtime/core/units.hpp"

namespace ei::kube {

/// How soon an object is written again that somebody else changes back. The first times at once: so a hand's
/// slip is put right, and a race with another controller. After that ever more rarely. Pure.
class Contest {
 public:
  /// A person who tries something does it two or three times.
  static constexpr int kAtOnce = 3;
  static constexpr milliseconds kFirst{1'000};
  /// One undone write a minute costs nobody anything, and once the other ends nobody waits longer than
  /// that and one interval of the service's decisions.
  static constexpr milliseconds kLongest{60'000};
  /// What has stood for so long is not contested any more: longer than kLongest, so that the next
  /// undoing after the longest pause still counts.
  static constexpr milliseconds kQuiet{120'000};

  /// What was written is found to be otherwise.
  void undone(SteadyTime now);
  void written(SteadyTime now);
  /// It is found to be as it shall. Where it was undone, another has put it right.
  void stands(SteadyTime now);

  /// True while it is not to be written yet.
  [[nodiscard]] bool waits(SteadyTime now) const { return undone_ && now < next_; }
  /// True from an undoing until it is put right.
  [[nodiscard]] bool is_undone() const { return undone_; }
  /// Often enough to be told.
  [[nodiscard]] bool lasts() const { return times_ > kAtOnce; }
  [[nodiscard]] bool over(SteadyTime now) const { return !undone_ && now - written_ >= kQuiet; }
  [[nodiscard]] int times() const { return times_; }
  [[nodiscard]] SteadyTime next() const { return next_; }

 private:
  int times_ = 0;
  bool undone_ = false;
  SteadyTime next_{};
  SteadyTime written_{};  ///< or put right by another
};

}  // namespace ei::kube
