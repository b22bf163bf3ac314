#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "operator/api/service.hpp"
#include "runtime/core/units.hpp"

namespace ei::reconcile {

/// Which services to look at, and when. Each is in here once: of two wishes the earlier one wins, and a
/// service that is being looked at is not handed out again before `done`; wishes in the meantime wait for
/// that. Pure: time is an argument; single-threaded.
class Workqueue {
 public:
  using Key = api::ServiceKey;

  /// First delay after a failure, doubled by each further one: controller-runtime's
  /// 5 ms, which hides a lost race.
  static constexpr milliseconds kFirstDelay{5};
  /// And its ceiling: what is denied for good (a quota, a role) costs one try a minute.
  static constexpr milliseconds kLongestDelay{60'000};

  /// The delay after so many failures in a row (from 1), at least `retry_after`.
  [[nodiscard]] static milliseconds delay_after(int failures, milliseconds retry_after);

  /// Asks for `key` to be looked at, not before `when`.
  void add(Key const& key, SteadyTime when);

  /// The key that has been due for longest, now being looked at; nothing when none is due.
  std::optional<Key> take(SteadyTime now);

  /// When `take` will next have something, or nothing. It may lie in the past.
  [[nodiscard]] std::optional<SteadyTime> next_due() const;

  /// Ends the look at `key`: it went well, and failures are forgotten.
  void done(Key const& key);
  /// Ends the look at `key` by a failure, and asks for another after the delay that is returned: doubled by
  /// each failure in a row, at least `retry_after`.
  milliseconds failed(Key const& key, SteadyTime now, milliseconds retry_after = {});
  /// Drops wishes and failures of `key`; one that is being looked at still needs its `done`.
  void forget(Key const& key);

  [[nodiscard]] int failures(Key const& key) const;
  /// Keys that wait, the running ones' wishes included.
  [[nodiscard]] std::size_t waiting() const;
  [[nodiscard]] std::size_t running() const { return running_; }

 private:
  struct Entry {
    std::optional<SteadyTime> due;
    std::uint64_t order = 0;  ///< of the wish: equal times are served as they came
    bool running = false;
    int failures = 0;
  };
  using Place = std::tuple<SteadyTime, std::uint64_t, Key>;

  Entry& finish(Key const& key);
  void settle(Key const& key);

  std::map<Key, Entry> entries_;
  std::set<Place> due_;  ///< of the keys that wait and are not running
  std::uint64_t next_order_ = 0;
  std::size_t running_ = 0;
};

}  // namespace ei::reconcile
