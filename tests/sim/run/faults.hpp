#pragma once

#include "operator/simulation/rng.hpp"
#include "tests/sim/cluster/node.hpp"
#include "tests/sim/run/network.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace ei::sim {

/// What happens in one run, drawn from its seed alone.
/// In the quiet one request comes to each service, so long before the end: it wakes the service, which sleeps
/// again after idleAfter, is looked at 75 s later at the latest, and then has nothing to write for 20 s.
inline constexpr double kAfterKnockSeconds = 130;

struct Script {
  struct Moment {
    enum class What {
      Weather,       ///< the network changes
      ServerDown,    ///< the API server is away for `seconds`, and has forgotten old versions then
      Compact,       ///< old versions are forgotten, without a restart
      Freeze,        ///< a process stands still for `seconds`
      ShiftWall,     ///< a process's wall clock jumps by `seconds`
      Terminate,     ///< a process gets SIGTERM
      Crash,         ///< a process dies at one of its next calls
      ScaleByHand,   ///< somebody sets the workers' count
      ScaleService,  ///< somebody scales the service, as an HPA does where the policy is External
      PutForeign,    ///< somebody makes an object with a child's name or labels
      EditChild,     ///< somebody edits a child's fields
      DeleteChild,   ///< somebody deletes a child
      EditSpec,      ///< the owner edits the service
      BreakSpec,     ///< the owner writes a spec that is not valid
      DeleteService,
      CreateService,
      MetricsDown,  ///< dispatchers give no metrics for `seconds`
      Rate,         ///< requests come at another rate
    };
    What what = What::Weather;
    double at_seconds = 0;  ///< below fault_seconds
    double seconds = 0;
    std::uint64_t number = 0;  ///< which process, child, value
    Weather weather = {};
  };
  std::uint64_t seed = 0;
  int processes = 1;
  int services = 1;
  PodFates fates;
  std::vector<Moment> moments;  ///< in order of time

  double fault_seconds = 90;  ///< how long faults may go on
  /// And how long the world is quiet after the last of them.
  double quiet_seconds = 60 + kAfterKnockSeconds;

  /// The request, counted over all processes from 1 on, at which its sender dies; 0: none.
  std::uint64_t crash_at = 0;
  bool crash_served = false;  ///< that request is still served
};

Script draw_script(std::uint64_t seed);
/// Without faults: people edit, scale and remove, and all of it is over soon. What a crash at each request of
/// such a run is added to.
Script draw_calm_script(std::uint64_t seed);

}  // namespace ei::sim
