#include <algorithm>
#include <utility>

#include "dispatcher/exchange/exchange.hpp"

namespace ei::dispatcher {

bool Exchange::anybody_serves() const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [](auto const& entry) { return !entry.second.leaving && !entry.second.dropped; });
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

std::size_t Exchange::busy_workers() const {
  return static_cast<std::size_t>(std::count_if(
      workers_.begin(), workers_.end(), [](auto const& entry) { return !entry.second.jobs.empty(); }));
}

}  // namespace ei::dispatcher
