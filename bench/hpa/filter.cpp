#include "bench/hpa/filter.hpp"

#include <cmath>

#include "runtime/core/json.hpp"

namespace ei::bench {
namespace {

constexpr double kMostSeconds = 1e9;  // 30 years either way: what a nanosecond clock holds with room to spare
constexpr int kMostReplicas = 100000;  // and no cluster has as many pods of one service
constexpr int kMostMillicores = 1'000'000'000;

Error wrong(std::string_view field, std::string_view allowed) {
  return make_error(ErrorKind::Invalid, std::string(field) + " must be " + std::string(allowed));
}

std::string whole(double bound) {
  return std::to_string(static_cast<long long>(bound));
}

/// The member, or null where it is absent or null.
boost::json::value const* member(boost::json::object const& object, std::string_view field) {
  auto const* found = object.if_contains(field);
  return found == nullptr || found->is_null() ? nullptr : found;
}

Result<std::optional<double>> number(boost::json::object const& object, std::string_view field, double least,
                                     double most) {
  auto const* found = member(object, field);
  if (found == nullptr) return std::optional<double>();
  boost::json::error_code failed;
  auto const value = found->to_number<double>(failed);
  // Not `<`: NaN must fail too.
  if (failed || !(value >= least && value <= most)) {
    return wrong(field, "a number from " + whole(least) + " to " + whole(most));
  }
  return std::optional<double>(value);
}

Result<double> required(boost::json::object const& object, std::string_view field, double least,
                        double most) {
  auto const found = number(object, field, least, most);
  if (!found) return found.error();
  if (!*found) return make_error(ErrorKind::Invalid, std::string(field) + " is missing");
  return **found;
}

Result<int> required_count(boost::json::object const& object, std::string_view field, int most) {
  auto const found = required(object, field, 0, most);
  if (!found) return found.error();
  if (std::floor(*found) != *found) return wrong(field, "a whole number");
  return static_cast<int>(*found);
}

Result<bool> flag(boost::json::object const& object, std::string_view field) {
  auto const* found = member(object, field);
  if (found == nullptr) return false;
  if (!found->is_bool()) return wrong(field, "true or false");
  return found->get_bool();
}

/// What the line says of the metrics API; none where it says nothing.
Result<std::optional<PodCpu>> cpu_of(boost::json::object const& object) {
  if (member(object, "cpu_millicores") == nullptr) {
    for (std::string_view const field : {"metrics_time_s", "window_s"}) {
      if (member(object, field) != nullptr) return wrong(field, "absent without cpu_millicores");
    }
    return std::optional<PodCpu>();
  }
  if (member(object, "cpu_seconds_total") != nullptr) {
    return wrong("cpu_seconds_total", "absent beside cpu_millicores");
  }
  auto const millicores = required(object, "cpu_millicores", 0, kMostMillicores);
  if (!millicores) return millicores.error();
  auto const at = required(object, "metrics_time_s", -kMostSeconds, kMostSeconds);
  if (!at) return at.error();
  auto const window = required(object, "window_s", 0, kMostSeconds);
  if (!window) return window.error();
  // The HPA reads the quantity's MilliValue, which rounds up.
  return std::optional<PodCpu>(
      PodCpu{static_cast<int>(std::ceil(*millicores)), Time(seconds(*at)), seconds(*window)});
}

}  // namespace

HpaFilter::HpaFilter(HpaFilterSettings settings)
    : settings_(settings), controller_(settings.hpa), metrics_(settings.metrics) {}

Result<HpaFilter::Pod> HpaFilter::pod_of(boost::json::value const& value) {
  auto const* object = value.if_object();
  if (object == nullptr) return make_error(ErrorKind::Invalid, "a pod must be an object");
  auto const name = string_or(value, "name");
  if (name.empty()) return wrong("name", "a string, not empty");
  Pod out;
  for (auto const& [field, target] :
       {std::pair{"ready", &out.pod.ready}, {"deleting", &out.pod.deleting}, {"pending", &out.pod.pending}}) {
    auto const found = flag(*object, field);
    if (!found) return with_context(found.error(), name);
    *target = *found;
  }
  auto const started = number(*object, "started_s", -kMostSeconds, kMostSeconds);
  if (!started) return with_context(started.error(), name);
  auto const transition = number(*object, "transition_s", -kMostSeconds, kMostSeconds);
  if (!transition) return with_context(transition.error(), name);
  out.pod.started = Time(seconds(started->value_or(0)));
  out.pod.transition = Time(seconds(transition->value_or(0)));
  auto const cpu = cpu_of(*object);
  if (!cpu) return with_context(cpu.error(), name);
  out.pod.cpu = *cpu;
  auto const total = number(*object, "cpu_seconds_total", 0, kMostSeconds);
  if (!total) return with_context(total.error(), name);
  if (*total) {
    if (!*started) return with_context(wrong("started_s", "there beside cpu_seconds_total"), name);
    SimWorker& counted = out.counted.emplace();
    counted.id = numbers_.emplace(name, static_cast<int>(numbers_.size())).first->second;
    counted.state = WorkerState::Idle;
    counted.container_started = out.pod.started;
    counted.cpu_seconds = **total;
  }
  return out;
}

/// The syncs of the controller and the scrapes of metrics-server: true on the first line at or past each.
bool HpaFilter::due(std::optional<Time>& next, Duration phase, Duration period, Time now) const {
  if (!next) {
    // The first line begins in the midst of a period, unless it falls on its very end.
    Duration const past = (now - Time(phase)) % period;  // of the sign of what is divided
    next = now - past + (past > Duration{} ? period : Duration{});
  }
  if (now < *next) return false;
  while (*next <= now) *next += period;
  return true;
}

/// Lets the metrics path see the counters, and the pods with counters have what it then says of them.
void HpaFilter::measure(std::vector<Pod>& pods, Time now) {
  std::vector<SimWorker> counted;
  for (Pod const& each : pods) {
    if (each.counted) counted.push_back(*each.counted);
  }
  metrics_.housekeep(counted, now);
  if (due(next_scrape_, settings_.metrics_phase, settings_.metrics.resolution, now)) metrics_.scrape(counted);
  for (Pod& each : pods) {
    if (each.counted) each.pod.cpu = metrics_.get(each.counted->id);
  }
}

Result<std::optional<HpaAnswer>> HpaFilter::feed(std::string_view line) {
  auto const parsed = parse_json(line);
  if (!parsed) return parsed.error();
  auto const* object = parsed->if_object();
  if (object == nullptr) return make_error(ErrorKind::Invalid, "a line must be an object");
  auto const time_s = required(*object, "time_s", -kMostSeconds, kMostSeconds);
  if (!time_s) return time_s.error();
  auto const current = required_count(*object, "current", kMostReplicas);
  if (!current) return current.error();
  Time const now(seconds(*time_s));
  if (last_ && now < *last_) return wrong("time_s", "no earlier than the line before");
  last_ = now;
  auto const* list = member(*object, "pods");
  if (list == nullptr || !list->is_array()) return wrong("pods", "an array");
  std::vector<Pod> pods;
  for (auto const& value : list->get_array()) {
    auto pod = pod_of(value);
    if (!pod) return with_context(pod.error(), "pods");
    pods.push_back(std::move(*pod));
  }
  measure(pods, now);
  if (!due(next_sync_, settings_.phase, settings_.hpa.sync, now)) return std::optional<HpaAnswer>();
  std::vector<HpaPod> seen;
  seen.reserve(pods.size());
  for (Pod const& each : pods) seen.push_back(each.pod);
  auto const proposal = hpa_cpu_replicas(settings_.hpa, *current, seen, now);
  return std::optional<HpaAnswer>(
      HpaAnswer{*time_s, proposal, controller_.reconcile(*current, proposal, now)});
}

}  // namespace ei::bench
