#pragma once

#include "runtime/core/units.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace ei::sim {

/// What happens in the world outside of the simulated processes, in order of time; equal times in the order
/// in which they were asked for.
class Agenda {
 public:
  using Event = std::function<void(SteadyTime)>;

  void at(SteadyTime time, Event event) { events_.emplace(Place{time, next_++}, std::move(event)); }

  std::optional<SteadyTime> next() const {
    return events_.empty() ? std::nullopt : std::optional(events_.begin()->first.first);
  }
  /// Runs what is due; what that adds for now is run too.
  void run(SteadyTime now) {
    while (!events_.empty() && events_.begin()->first.first <= now) {
      auto event = std::move(events_.begin()->second);
      events_.erase(events_.begin());
      event(now);
    }
  }

 private:
  using Place = std::pair<SteadyTime, std::uint64_t>;
  std::map<Place, Event> events_;
  std::uint64_t next_ = 0;
};

}  // namespace ei::sim
