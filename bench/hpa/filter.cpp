#include "bench/hpa/filter.hpp"

#include <cmath>

#include "runtime/core/fields.hpp"
#include "runtime/core/json.hpp"

namespace ei::bench {
namespace {

constexpr double kMostSeconds = 1e9;  // 30 years either way: what a nanosecond clock holds with room to spare
constexpr int kMostReplicas = 100000;  // and no cluster has as many pods of one service
constexpr int kMostMillicores = 1'000'000'000;

Error wrong(std::string_view field, std::string_view allowed) {
  return make_error(ErrorKind::Invalid, std::string(field) + " must be " + std::string(allowed));
}

Error missing(std::string_view field) {
  return make_error(ErrorKind::Invalid, std::string(field) + " is missing");
}

/// A pod as its line has it; null counts as absent.
struct PodLine {
  std::string name;
  std::optional<bool> ready;
  std::optional<bool> deleting;
  std::optional<bool> pending;
  std::optional<double> started_s;
  std::optional<double> transition_s;
  std::optional<double> cpu_millicores;
  std::optional<double> metrics_time_s;
  std::optional<double> window_s;
  std::optional<double> cpu_seconds_total;
};

template <class Fields>
void list_members(Fields& fields, PodLine& pod) {
  fields("name", pod.name);
  fields.maybe("ready", pod.ready);
  fields.maybe("deleting", pod.deleting);
  fields.maybe("pending", pod.pending);
  fields.if_any_within("started_s", pod.started_s, -kMostSeconds, kMostSeconds);
  fields.if_any_within("transition_s", pod.transition_s, -kMostSeconds, kMostSeconds);
  fields.if_any_within("cpu_millicores", pod.cpu_millicores, 0, kMostMillicores);
  fields.if_any_within("metrics_time_s", pod.metrics_time_s, -kMostSeconds, kMostSeconds);
  fields.if_any_within("window_s", pod.window_s, 0, kMostSeconds);
  fields.if_any_within("cpu_seconds_total", pod.cpu_seconds_total, 0, kMostSeconds);
}

struct Line {
  double time_s = 0;
  int current = 0;
  std::vector<PodLine> pods;
};

template <class Fields>
void list_members(Fields& fields, Line& line) {
  fields.within("time_s", line.time_s, -kMostSeconds, kMostSeconds);
  fields.within("current", line.current, 0, kMostReplicas);
  fields("pods", line.pods);
}

/// What the line says of the metrics API; none where it says nothing.
Result<std::optional<PodCpu>> cpu_of(PodLine const& line) {
  if (!line.cpu_millicores) {
    if (line.metrics_time_s) return wrong("metrics_time_s", "absent without cpu_millicores");
    if (line.window_s) return wrong("window_s", "absent without cpu_millicores");
    return std::optional<PodCpu>();
  }
  if (line.cpu_seconds_total) return wrong("cpu_seconds_total", "absent beside cpu_millicores");
  if (!line.metrics_time_s) return missing("metrics_time_s");
  if (!line.window_s) return missing("window_s");
  // The HPA reads the quantity's MilliValue, which rounds up.
  return std::optional<PodCpu>(PodCpu{static_cast<int>(std::ceil(*line.cpu_millicores)),
                                      Time(seconds(*line.metrics_time_s)), seconds(*line.window_s)});
}

Result<HpaPod> pod_of(PodLine const& line) {
  if (line.name.empty()) return wrong("name", "a string, not empty");
  HpaPod pod;
  pod.ready = line.ready.value_or(false);
  pod.deleting = line.deleting.value_or(false);
  pod.pending = line.pending.value_or(false);
  pod.started = Time(seconds(line.started_s.value_or(0)));
  pod.transition = Time(seconds(line.transition_s.value_or(0)));
  auto const cpu = cpu_of(line);
  if (!cpu) return with_context(cpu.error(), line.name);
  pod.cpu = *cpu;
  if (line.cpu_seconds_total && !line.started_s)
    return with_context(wrong("started_s", "there beside cpu_seconds_total"), line.name);
  return pod;
}

}  // namespace

HpaFilter::HpaFilter(HpaFilterSettings settings)
    : settings_(settings), controller_(settings.hpa), metrics_(settings.metrics) {}

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
  auto const read = read_fields<Line>(*parsed);
  if (!read) return read.error();
  Time const now(seconds(read->time_s));
  if (last_ && now < *last_) return wrong("time_s", "no earlier than the line before");
  last_ = now;
  std::vector<Pod> pods;
  for (auto const& each : read->pods) {
    auto const pod = pod_of(each);
    if (!pod) return with_context(pod.error(), "pods");
    pods.push_back({*pod, {}});
    if (!each.cpu_seconds_total) continue;
    SimWorker& counted = pods.back().counted.emplace();
    counted.id = numbers_.emplace(each.name, static_cast<int>(numbers_.size())).first->second;
    counted.state = WorkerState::Idle;
    counted.container_started = pod->started;
    counted.cpu_seconds = *each.cpu_seconds_total;
  }
  measure(pods, now);
  if (!due(next_sync_, settings_.phase, settings_.hpa.sync, now)) return std::optional<HpaAnswer>();
  std::vector<HpaPod> seen;
  seen.reserve(pods.size());
  for (Pod const& each : pods) seen.push_back(each.pod);
  auto const proposal = hpa_cpu_replicas(settings_.hpa, read->current, seen, now);
  return std::optional<HpaAnswer>(
      HpaAnswer{read->time_s, proposal, controller_.reconcile(read->current, proposal, now)});
}

}  // namespace ei::bench
