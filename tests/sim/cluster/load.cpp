#include "tests/sim/cluster/load.hpp"

#include "operator/backend/kube/children/labels.hpp"
#include "tests/sim/api/members.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <cstdio>

namespace ei::sim {
namespace {

namespace json = boost::json;

std::string label_of(json::object const& pod, std::string_view name) {
  auto const* labels = member_of(pod, "metadata.labels");
  auto const* value = labels == nullptr ? nullptr : labels->as_object().if_contains(name);
  return value == nullptr ? std::string() : std::string(value->as_string());
}

bool is_ready(json::object const& pod) {
  auto const* conditions = member_of(pod, "status.conditions");
  if (conditions == nullptr) return false;
  auto const& list = conditions->as_array();
  return std::any_of(list.begin(), list.end(), [](json::value const& each) {
    return string_or(each, "type") == "Ready" && string_or(each, "status") == "True";
  });
}

}  // namespace

void Load::step(SteadyTime now) {
  for (auto& [name, queue] : queues_) queue.workers = queue.dispatchers = 0;
  services_.clear();
  for (auto const& [key, pod] : api_.storage().all(kind_of(kube::kPods))) {
    auto const service = label_of(pod->object, kube::kServiceLabel);
    // One that somebody made by hand, with our labels, computes nothing.
    if (service.empty() || member_of(pod->object, "metadata.ownerReferences") == nullptr) continue;
    auto& queue = queues_[service];
    if (label_of(pod->object, kube::kComponentLabel) == kube::kWorkerComponent) {
      queue.workers += is_ready(pod->object) ? 1 : 0;
      continue;
    }
    auto const address = text_of(pod->object, "status.podIP");
    if (address.empty() || !is_ready(pod->object)) continue;
    ++queue.dispatchers;
    auto const url = "http://" + address + ":" + std::to_string(kube::kDispatcherMetricsPort) + "/metrics";
    services_[url] = known_[url] = service;
  }
  double const seconds = std::chrono::duration<double>(now - stepped_).count();
  stepped_ = now;
  for (auto& [name, queue] : queues_) {
    double const came = queue.dispatchers > 0 ? arrivals_rps * seconds : 0;
    double const most = worker_rps * seconds * queue.workers;
    double const done = std::min(queue.waiting + came, most);
    queue.arrivals += came;
    queue.completions += done;
    queue.waiting = std::min<double>(queue.waiting + came - done, kQueueBound);
    bool const behind = queue.waiting > queue.workers;
    queue.oldest_seconds = behind ? queue.oldest_seconds + seconds : 0;
    // Those that nobody takes in time are answered with 504.
    if (queue.oldest_seconds > kTimeoutSeconds) queue.waiting = queue.oldest_seconds = 0;
  }
}

std::string Load::service_at(std::string const& url) const {
  auto const found = known_.find(url);
  return found == known_.end() ? std::string() : found->second;
}

Result<std::string> Load::scrape(std::string const& url) const {
  auto const found = services_.find(url);
  if (!answers || found == services_.end())
    return make_error(ErrorKind::Unavailable, "nobody answers at " + url);
  auto const& queue = queues_.at(found->second);
  double const share = 1.0 / std::max(1, queue.dispatchers);
  double const service = queue.completions / worker_rps;
  char text[600];
  std::snprintf(text, sizeof text,
                "dispatcher_arrivals_total %.3f\ndispatcher_completions_total %.3f\n"
                "dispatcher_service_seconds_total %.6f\ndispatcher_service_seconds_squared_total %.6f\n"
                "dispatcher_queue_size %.0f\ndispatcher_in_flight %.0f\ndispatcher_oldest_age_seconds %.3f\n",
                queue.arrivals * share, queue.completions * share, service * share,
                service / worker_rps * share, queue.waiting * share,
                std::min<double>(queue.waiting, queue.workers) * share, queue.oldest_seconds);
  return std::string(text);
}

}  // namespace ei::sim
