#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operator/backend/local/command.hpp"
#include "operator/plan/observation.hpp"

namespace ei::backend::local {

enum class Program { Dispatcher, Worker };

/// One process of a service, from its start to its end.
struct Instance {
  Program program{};
  std::string name;
  Command command;
  std::filesystem::path ports_file;
  std::filesystem::path quota_file;  ///< of one that may be a standby, which is told by it; else empty
  std::string address;               ///< that it listens on
  milliseconds drain_timeout{0};     ///< that it was told
  int pid = -1;                      ///< from its start on
  WallTime created{};
  SteadyTime started{};
  std::optional<Ports> ports;  ///< once it listens
  bool ready = false;          ///< a worker that is no standby: and asks for jobs
  bool standby = false;        ///< waits for its core
  std::optional<WallTime> first_ready;
  std::optional<WallTime> not_ready_since;
  bool leaving = false;               ///< was asked to end
  milliseconds grace{0};              ///< of one that is leaving, before it is killed
  std::optional<SteadyTime> kill_at;  ///< of one that is leaving, until it was killed
  bool ended = false;
};

/// The roster and its shell speak of the same process.
using InstancePtr = std::shared_ptr<Instance>;

/// The place of one wanted process: it outlives the process, so that a crash is answered by another start.
struct Slot {
  InstancePtr current;
  InstancePtr next;                      ///< takes over from `current` once it is ready (the spec was edited)
  int failures = 0;                      ///< starts in a row that did not last
  SteadyTime retry_at{};                 ///< no start before this
  std::optional<plan::Trouble> trouble;  ///< why the last process ended
  SteadyTime standby_since{};            ///< of a standby
  std::optional<Ports> sockets;          ///< of a dispatcher: what listens for it, from its first start on
};

/// A process that lasted this long was well: the next failure counts from one again.
inline constexpr milliseconds kLasted{10'000};

/// The second failure in a row is no accident, as in a pod.
inline constexpr int kLastingFailures = 2;

/// Delay before the next start after so many failures in a row (from 1): 10 ms, doubled, at most 10 s. A
/// crash is made good before anybody notices, and a program that cannot start costs next to nothing.
[[nodiscard]] milliseconds restart_delay(int failures);

/// What there is to tell of a worker, but for what its slot knows.
[[nodiscard]] plan::WorkerInstance observed_worker(Instance const& instance);

/// Notes that the slot's process ended by itself, and when the next may start.
void note_failure(Slot& slot, Instance const& ended, std::string const& how, SteadyTime now);

/// The slots to give up so that `keep` are left: those not ready first, then the newest. Ascending positions.
[[nodiscard]] std::vector<std::size_t> surplus(std::vector<Slot> const& slots, std::size_t keep);

}  // namespace ei::backend::local
