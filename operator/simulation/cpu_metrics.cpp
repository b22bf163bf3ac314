#include "operator/simulation/cpu_metrics.hpp"

#include <cmath>

namespace ei::simulation {

void CpuMetrics::housekeep(std::vector<SimWorker> const& workers, Time now) {
  auto const second = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  auto const period = std::chrono::duration_cast<std::chrono::seconds>(settings_.housekeeping).count();
  for (SimWorker const& worker : workers) {
    if (worker.state == WorkerState::Gone) continue;
    // 7 and 10 share no factor: consecutive workers are sampled at scattered seconds.
    bool const due = period <= 1 || (second + worker.id * 7) % period == 0;
    if (due) pods_[worker.id].sampled = Point{now, worker.cpu_until(now)};
  }
}

void CpuMetrics::scrape(std::vector<SimWorker> const& workers) {
  std::map<int, Pod> present;
  for (SimWorker const& worker : workers) {
    auto const found = pods_.find(worker.id);
    if (found == pods_.end() || worker.state == WorkerState::Gone) continue;
    Pod pod = found->second;
    if (pod.sampled && (!pod.last || pod.sampled->at > pod.last->at)) {
      Duration const age = pod.sampled->at - worker.container_started;
      if (!pod.last && age >= settings_.fresh_container && age < settings_.resolution) {
        pod.previous = Point{worker.container_started, 0};
      } else {
        pod.previous = pod.last;
      }
      pod.last = pod.sampled;
    }
    present.emplace(worker.id, pod);
  }
  pods_ = std::move(present);
}

std::optional<PodCpu> CpuMetrics::get(int worker) const {
  auto const found = pods_.find(worker);
  if (found == pods_.end() || !found->second.last || !found->second.previous) return std::nullopt;
  Point const& last = *found->second.last;
  Point const& previous = *found->second.previous;
  double const rate = (last.cpu_seconds - previous.cpu_seconds) / in_seconds(last.at - previous.at);
  // The API carries nanocores; the HPA reads them as millicores, rounded up.
  return PodCpu{static_cast<int>(std::ceil(rate * 1000 - 1e-6)), last.at, last.at - previous.at};
}

}  // namespace ei::simulation
