#pragma once

#include "operator/simulation/rng.hpp"
#include "runtime/core/units.hpp"
#include "tests/sim/api/server.hpp"

#include <map>
#include <string>

namespace ei::sim {

/// What befalls pods; a share of them, and how long it takes.
struct PodFates {
  double start_seconds = 3;  ///< on average, to the first readiness
  double late_share = 0;     ///< of pods that take ten times as long
  double crash_rate = 0;     ///< crashes of a running container, per second
  double hang_rate = 0;      ///< containers that stop being ready, per second; the probe restarts them
};

/// The one node: places pods, starts their containers, tells whether they are ready, ends them.
class Node {
 public:
  Node(ApiServer& api, std::uint64_t seed) : api_(api), rng_(seed) {}

  PodFates fates;

  void step(SteadyTime now, WallTime wall);
  /// From now on nothing befalls a container. What has befallen some before is over at settled_by().
  void end_fates();
  SteadyTime settled_by() const { return settled_by_; }

 private:
  enum class State { Placed, Starting, Ready, Crashed, Hanging };
  struct Container {
    State state = State::Placed;
    SteadyTime until{};
    int restarts = 0;
    int number = 0;
    bool leaving = false;
    std::string started;
  };
  void advance(kube::ObjectKey const& key, Container& container, SteadyTime now, WallTime wall);
  void begin(Container& container, SteadyTime now, WallTime wall);
  void tell(kube::ObjectKey const& key, Container const& container, WallTime wall);
  SteadyTime after(SteadyTime now, double seconds) const;

  ApiServer& api_;
  simulation::Rng rng_;
  std::map<std::string, Container> containers_;  ///< by pod uid
  SteadyTime stepped_{};
  SteadyTime settled_by_{};
  int numbers_ = 0;
};

}  // namespace ei::sim
