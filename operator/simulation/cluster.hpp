#pragma once

#include <functional>
#include <optional>
#include <queue>
#include <vector>

#include "dispatcher/queue/admission.hpp"
#include "dispatcher/queue/request_queue.hpp"
#include "operator/simulation/scenario.hpp"

namespace ei::simulation {

enum class WorkerState { Starting, Idle, Busy, Gone };

/// One worker: a pod or a process with one core. Ids are given in the order of creation and never again.
struct SimWorker {
  int id = 0;
  WorkerState state = WorkerState::Starting;
  bool draining = false;  ///< told to leave: finishes its job, takes no other
  bool broken = false;    ///< crash loop: it will never be ready
  Time created{};
  Time container_started{};         ///< its CPU counter counts from here
  std::optional<Time> ready_since;  ///< empty until it is ready
  Time not_ready_since{};
  double cpu_seconds = 0;  ///< of finished jobs since container_started
  Time busy_since{};
  dispatcher::Ticket ticket;

  bool serving() const { return state == WorkerState::Idle || state == WorkerState::Busy; }
  /// Cumulative, as the kernel counts it: jobs only, one core while one runs.
  double cpu_until(Time now) const {
    return cpu_seconds + (state == WorkerState::Busy ? in_seconds(now - busy_since) : 0);
  }
};

/// What a scaler sees. Draining workers are in the list (they still use CPU) but are not wanted.
struct View {
  dispatcher::RequestQueue const& queue;
  std::vector<SimWorker> const& workers;  ///< none that is gone
  int current = 0;                        ///< the replica count in force
  bool metrics_lost = false;
  std::uint64_t late = 0;  ///< answers after the target, so far
};

/// What a scaler answers; empty for nothing.
struct Order {
  std::optional<int> replicas;
  std::vector<int> replace;  ///< ids
};

/// A scaler as the simulator sees it: it is called at `next()` and then names a later instant.
struct Scaler {
  std::function<Time()> next;
  std::function<Order(View const&, Time)> act;
  bool late_lane = false;  ///< whether its dispatcher's queue has one
};

struct Outcome {
  std::vector<float> latency_seconds;  ///< of every request, in the order of arrival
  double core_seconds = 0;             ///< allocated during the trace
  double core_seconds_with_idle = 0;
  int scale_events = 0;       ///< changes of the replica count during the trace
  std::vector<int> replicas;  ///< wanted, at each whole second, idle time included
  std::vector<int> ready;
  std::vector<int> queue;
};

/// Runs the production queue under a scaler in virtual time until the idle time is over and all is served.
/// The same arguments give the same result, bit by bit.
Outcome simulate(Scenario const& scenario, Scaler scaler);

}  // namespace ei::simulation
