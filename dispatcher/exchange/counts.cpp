#include <algorithm>
#include <utility>

#include "dispatcher/exchange/exchange.hpp"

namespace ei::dispatcher {

bool Exchange::anybody_serves() const {
  return std::any_of(workers_.begin(), workers_.end(), [](auto const& entry) {
    auto const& worker = entry.second;
    return !worker.leaving && !worker.dropped && !worker.standby;
  });
}

/// For those that found no worker one is there now.
void Exchange::note_served(Time now) {
  for (auto& pending : pending_) {
    if (pending.cold && !pending.served_at) pending.served_at = now;
  }
}

void Exchange::standby(WorkerId id, Time now) {
  auto const found = workers_.find(id);
  if (found == workers_.end() || found->second.standby) return;
  found->second.asked = 0;
  found->second.standby = true;
  ++standbys_;
  std::erase(idle_, id);
  last_worker_left_ = now;
}

void Exchange::explain_no_worker(std::string why, Time now) {
  no_worker_ = std::move(why);
  explained_ = now;
}

std::size_t Exchange::workers_by_output(std::string_view output) const {
  return static_cast<std::size_t>(std::count_if(workers_.begin(), workers_.end(), [&](auto const& entry) {
    return entry.second.hello.output == output;
  }));
}

std::size_t Exchange::workers_by_precision(std::string_view precision) const {
  return static_cast<std::size_t>(std::count_if(workers_.begin(), workers_.end(), [&](auto const& entry) {
    return entry.second.hello.precision == precision;
  }));
}

std::optional<double> Exchange::least_agreement() const {
  std::optional<double> least;
  for (auto const& [id, worker] : workers_) {
    if (auto const& told = worker.hello.agreement) least = std::min(least.value_or(1), *told);
  }
  return least;
}

std::map<std::string, std::size_t> Exchange::workers_by_version() const {
  std::map<std::string, std::size_t> out;
  for (auto const& [id, worker] : workers_) ++out[worker.hello.model_version];
  return out;
}

std::size_t Exchange::idle_workers() const {
  return static_cast<std::size_t>(std::count_if(workers_.begin(), workers_.end(), [](auto const& entry) {
    return !entry.second.standby && entry.second.jobs.empty();
  }));
}

std::size_t Exchange::standby_workers() const {
  return static_cast<std::size_t>(std::count_if(workers_.begin(), workers_.end(), [](auto const& entry) {
    return entry.second.standby && entry.second.jobs.empty();
  }));
}

std::size_t Exchange::busy_workers() const {
  return static_cast<std::size_t>(std::count_if(
      workers_.begin(), workers_.end(), [](auto const& entry) { return !entry.second.jobs.empty(); }));
}

}  // namespace ei::dispatcher
