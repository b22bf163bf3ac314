#include "tests/sim/cluster/load.hpp"

#include "operator/backend/kube/children/labels.hpp"
#include "tests/sim/api/members.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <cmath>
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
  std::map<std::string, Dispatcher> ready;
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
    known_[url] = service;
    ready[url] = {service};
  }
  // A container that is not ready has ended or will be restarted: it counts from zero when it is back.
  for (auto& [url, dispatcher] : ready) {
    auto const before = dispatchers_.find(url);
    if (before != dispatchers_.end()) dispatcher = std::move(before->second);
  }
  dispatchers_ = std::move(ready);
  double const seconds = std::chrono::duration<double>(now - stepped_).count();
  stepped_ = now;
  for (auto& [name, queue] : queues_) {
    // A queue goes with its last dispatcher, and nobody takes requests.
    if (queue.dispatchers == 0) {
      queue.waiting = queue.oldest_seconds = 0;
      continue;
    }
    double const came = arrivals_rps * seconds;
    double const most = worker_rps * seconds * queue.workers;
    double const done = std::min(queue.waiting + came, most);
    for (auto& [url, dispatcher] : dispatchers_) {
      if (dispatcher.service != name) continue;
      dispatcher.arrivals += came / queue.dispatchers;
      dispatcher.completions += done / queue.dispatchers;
    }
    queue.waiting = std::min<double>(queue.waiting + came - done, kQueueBound);
    bool const behind = queue.waiting > queue.workers;
    queue.oldest_seconds = behind ? queue.oldest_seconds + seconds : 0;
    // Those that nobody takes in time are answered with 504.
    if (queue.oldest_seconds <= kTimeoutSeconds) continue;
    queue.unanswered += static_cast<int>(std::ceil(queue.waiting));
    queue.waiting = queue.oldest_seconds = 0;
  }
}

std::string Load::service_at(std::string const& url) const {
  auto const found = known_.find(url);
  return found == known_.end() ? std::string() : found->second;
}

void Load::knock() {
  for (auto& entry : queues_) {
    auto const& name = entry.first;
    auto& queue = entry.second;
    queue.unanswered = 0;
    // To the first of its dispatchers.
    auto const found = std::find_if(dispatchers_.begin(), dispatchers_.end(),
                                    [&](auto const& each) { return each.second.service == name; });
    if (found == dispatchers_.end()) continue;
    found->second.arrivals += 1;
    queue.waiting += 1;
  }
}

int Load::unanswered(std::string const& service) const {
  auto const found = queues_.find(service);
  return found == queues_.end() ? 0 : found->second.unanswered;
}

Result<bool> Load::has_more(std::string const& url, std::uint64_t known) const {
  auto const found = dispatchers_.find(url);
  if (!answers || found == dispatchers_.end())
    return make_error(ErrorKind::Unavailable, "nobody answers at " + url);
  auto const& dispatcher = found->second;
  return std::floor(dispatcher.arrivals) != static_cast<double>(known) ||
         queues_.at(dispatcher.service).waiting > 0;
}

Result<std::string> Load::scrape(std::string const& url) const {
  auto const found = dispatchers_.find(url);
  if (!answers || found == dispatchers_.end())
    return make_error(ErrorKind::Unavailable, "nobody answers at " + url);
  auto const& dispatcher = found->second;
  auto const& queue = queues_.at(dispatcher.service);
  // Spread over the service's dispatchers, and every whole request is at one of them.
  auto const number = std::count_if(dispatchers_.begin(), found, [&](auto const& each) {
    return each.second.service == dispatcher.service;
  });
  auto const part = [&](double all) {
    auto const whole = static_cast<std::int64_t>(std::ceil(all));
    return whole / queue.dispatchers + (number < whole % queue.dispatchers ? 1 : 0);
  };
  double const service = dispatcher.completions / worker_rps;
  char text[600];
  std::snprintf(text, sizeof text,
                "dispatcher_arrivals_total %.3f\ndispatcher_completions_total %.3f\n"
                "dispatcher_service_seconds_total %.6f\ndispatcher_service_seconds_squared_total %.6f\n"
                "dispatcher_queue_size %lld\ndispatcher_in_flight %lld\ndispatcher_oldest_age_seconds %.3f\n",
                dispatcher.arrivals, dispatcher.completions, service, service / worker_rps,
                static_cast<long long>(part(queue.waiting)),
                static_cast<long long>(part(std::min<double>(queue.waiting, queue.workers))),
                queue.oldest_seconds);
  return std::string(text);
}

}  // namespace ei::sim
