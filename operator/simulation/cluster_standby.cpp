#include <algorithm>

#include "operator/simulation/cluster.hpp"

namespace ei::simulation {

int Cluster::wanted() const {
  return static_cast<int>(std::count_if(workers_.begin(), workers_.end(),
                                        [](auto const& w) { return !w.draining && !w.standby; }));
}

/// Up: standbys first. Down: where standbys are kept, who is given up becomes one.
void Cluster::scale_to(int replicas, Order const& order) {
  if (replicas != current_) ++scale_events_;
  current_ = replicas;
  for (int missing = current_ - wanted(); missing > 0; --missing) {
    if (!promote_one()) create(now_);
  }
  for (int spare = wanted() - current_; spare > 0; --spare) {
    SimWorker& worker = *least_useful();
    if (order.standby > 0) {
      demote(worker);
    } else {
      drain(worker);
    }
  }
  hand_out();
}

/// One that still finishes its job serves at once; then the warm ones, then those that have started longest.
bool Cluster::promote_one() {
  auto const rank = [](SimWorker const& w) {
    return std::pair(w.state == WorkerState::Busy ? 0 : w.state == WorkerState::Idle ? 1 : 2, w.id);
  };
  auto best = workers_.end();
  for (auto it = workers_.begin(); it != workers_.end(); ++it) {
    if (!it->standby || it->draining || it->broken) continue;
    if (best == workers_.end() || rank(*it) < rank(*best)) best = it;
  }
  if (best == workers_.end()) return false;
  promote(*best);
  return true;
}

void Cluster::promote(SimWorker& worker) {
  worker.standby = false;
  if (worker.state != WorkerState::Idle) return;  // it is ready when its job or its start is over
  worker.state = WorkerState::Promoted;
  worker.not_ready_since = now_;
  schedule(now_ + settings_.promotion_delay, Event::Kind::Serves, worker.id);
}

void Cluster::demote(SimWorker& worker) {
  leave_idle(worker);
  if (worker.state == WorkerState::Promoted) worker.state = WorkerState::Idle;
  worker.standby = with_standbys_ = true;
  worker.standby_since = now_;
}

void Cluster::keep_standbys(Order const& order) {
  if (order.standby == 0 && !with_standbys_) return;
  std::vector<SimWorker*> standbys;
  for (auto& each : workers_) {
    if (each.standby && !each.draining) standbys.push_back(&each);
  }
  int surplus = static_cast<int>(standbys.size()) - order.standby;
  for (SimWorker* const each : standbys) {
    if (surplus <= 0) break;
    if (now_ - each->standby_since < order.standby_keep) continue;
    drain(*each);
    --surplus;
  }
  for (; surplus < 0; ++surplus) create(now_, true);
}

}  // namespace ei::simulation
