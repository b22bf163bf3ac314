#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "dispatcher/contract/link/protocol.hpp"
#include "runtime/core/units.hpp"

namespace ei::inference {

/// How long a job of that many pictures may compute: ten seconds for a machine that is busy with other
/// things, and twice what a picture may cost, which is a second of decoding (the budget of the checks) and
/// one pass of the network. `forward` is the measured pass; where it takes longer than the 50 ms of a slow
/// core (a CPU limit of 100m), decoding is reckoned longer by as much. At most 45 s, well below the 60 s
/// after which a dispatcher gives the worker up.
[[nodiscard]] milliseconds job_limit(std::size_t pictures, milliseconds forward);

/// Sees a job that computes for longer than it may. begin() and end() on the compute thread,
/// tick() on another.
class JobWatch {
 public:
  using Job = std::shared_ptr<dispatcher::link::Job const>;

  /// A time that passes between two ticks counts as this at most: while the whole process stands still (a
  /// frozen cgroup, a paused machine) no job computes.
  static constexpr milliseconds kPeriod{100};

  struct Overrun {
    Job job;
    milliseconds spent{0};
    milliseconds limit{0};
  };

  void begin(Job job, milliseconds limit);
  void end();

  /// `elapsed` since the last tick; gives a job that is over its limit, once.
  [[nodiscard]] std::optional<Overrun> tick(milliseconds elapsed);

 private:
  std::mutex mutex_;
  Job job_;
  milliseconds limit_{0};
  milliseconds spent_{0};
  bool told_ = false;
};

}  // namespace ei::inference
