#pragma once

#include "bench/sim/rng.hpp"
#include "tests/sim/cluster/node.hpp"
#include "tests/sim/run/network.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace ei::sim {

/// What happens in one run, drawn from its seed alone.
struct Script {
  struct Moment {
    enum class What {
      Weather,      ///< the network changes
      ServerDown,   ///< the API server is away for `seconds`, and has forgotten old versions then
      Compact,      ///< old versions are forgotten, without a restart
      Freeze,       ///< a process stands still for `seconds`
      ShiftWall,    ///< a process's wall clock jumps by `seconds`
      Terminate,    ///< a process gets SIGTERM
      Crash,        ///< a process dies at one of its next calls
      ScaleByHand,  ///< somebody sets the workers' count
      EditChild,    ///< somebody edits a child's fields
      DeleteChild,  ///< somebody deletes a child
      EditSpec,     ///< the owner edits the service
      BreakSpec,    ///< the owner writes a spec that is not valid
      DeleteService,
      CreateService,
      MetricsDown,  ///< dispatchers give no metrics for `seconds`
      Rate,         ///< requests come at another rate
    };
    What what = What::Weather;
    double at_seconds = 0;  ///< at most kFaultSeconds, or what follows that
    double seconds = 0;
    std::uint64_t number = 0;  ///< which process, child, value
    Weather weather = {};
  };
  std::uint64_t seed = 0;
  int processes = 1;
  int services = 1;
  PodFates fates;
  std::vector<Moment> moments;  ///< in order of time

  /// How long faults may go on, and how long the world is quiet after them.
  static constexpr double kFaultSeconds = 90;
  static constexpr double kQuietSeconds = 120;
};

Script draw_script(std::uint64_t seed);

}  // namespace ei::sim
