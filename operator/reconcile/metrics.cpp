#include "operator/reconcile/metrics.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

namespace ei::reconcile {
namespace {

/// From a cached observation (0.1 ms) to the deadline of a reconcile (10 s); seconds.
std::vector<double> const kDurationBuckets{0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                           0.1,    0.25,   0.5,   1,      2.5,   5,    10};

/// client-go's, of rest_client_request_duration_seconds.
std::vector<double> const kRequestBuckets{0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60};

/// From a standby of this machine (0.05 s) over a worker of this machine with its weights in the page cache
/// (0.8 s) to one that waits for a new node and fetches its image there (minutes); seconds.
std::vector<double> const kOverloadBuckets{0.05, 0.1, 0.25, 0.5, 1,  1.5, 2,   3,   5,   7.5, 10,
                                           15,   20,  30,   45,  60, 90,  120, 180, 300, 600};

double value_of(api::ConditionStatus status) {
  switch (status) {
    case api::ConditionStatus::True:
      return 1;
    case api::ConditionStatus::False:
      return 0;
    default:
      return -1;
  }
}

/// One family of all services, as the library has it.
class FamilyOf {
 public:
  FamilyOf(std::string const& name, std::string const& help, prometheus::MetricType type)
      : family_{name, help, type, {}} {}

  prometheus::ClientMetric& add(api::ServiceKey const& key) {
    auto& metric = family_.metric.emplace_back();
    metric.label = {{"namespace", key.namespace_name}, {"name", key.name}};
    return metric;
  }
  void add(api::ServiceKey const& key, double value) { set(add(key), value); }
  void add(api::ServiceKey const& key, std::string const& label, std::string_view is, double value) {
    auto& metric = add(key);
    metric.label.push_back({label, std::string(is)});
    set(metric, value);
  }
  prometheus::MetricFamily take() { return std::move(family_); }

 private:
  void set(prometheus::ClientMetric& metric, double value) const {
    (family_.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  }

  prometheus::MetricFamily family_;
};

}  // namespace

OperatorMetrics::OperatorMetrics(metrics::Registry& registry)
    : registry_(registry),
      queue_depth_(registry.gauge("eis_operator_queue_depth", "Services that wait to be reconciled")),
      leader_(registry.gauge("eis_operator_leader", "1 while this operator may write")),
      duration_(registry.histogram("eis_operator_reconcile_duration_seconds", "Time of one reconcile",
                                   kDurationBuckets)) {
  registry.add([this] { return collect(); });
}

void OperatorMetrics::reconciled(std::string_view result, double seconds) {
  registry_
      .counter("eis_operator_reconciles_total", "Reconciles by result", {{"result", std::string(result)}})
      .Increment();
  duration_.Observe(seconds);
}

void OperatorMetrics::failed(std::string_view error_kind) {
  registry_
      .counter("eis_operator_reconcile_errors_total", "Failed reconciles",
               {{"kind", std::string(error_kind)}})
      .Increment();
}

void OperatorMetrics::api_request(std::string_view method, std::string_view resource, int status,
                                  double seconds) {
  registry_
      .counter("rest_client_requests_total", "Requests to the API server",
               {{"code", status == 0 ? "<error>" : std::to_string(status)},
                {"method", std::string(method)},
                {"resource", std::string(resource)}})
      .Increment();
  registry_
      .histogram("rest_client_request_duration_seconds", "Time of one request to the API server",
                 kRequestBuckets, {{"verb", std::string(method)}})
      .Observe(seconds);
}

std::size_t OperatorMetrics::index_of_type(std::string const& type) {
  auto const found = std::find(types_.begin(), types_.end(), type);
  auto const index = static_cast<std::size_t>(found - types_.begin());
  if (found == types_.end()) types_.push_back(type);
  return index;
}

void OperatorMetrics::decided(api::ServiceKey const& key, Service const& service) {
  auto& series = services_[key];
  auto reason = std::find_if(series.decisions.begin(), series.decisions.end(),
                             [&](auto const& each) { return each.first == service.reason; });
  if (reason == series.decisions.end()) reason = series.decisions.insert(reason, {service.reason, 0});
  ++reason->second;
  series.last = service;
  series.last.conditions = nullptr;
  series.last.advice = nullptr;
  series.advice.clear();
  if (service.advice != nullptr) series.advice = *service.advice;
  if (service.answers) {
    auto const grown = series.indicators.answered(service.epoch, service.latency_target, *service.answers);
    series.answers.total += grown.total;
    series.answers.late += grown.late;
  }
  for (double const waited :
       series.indicators.decided(service.from, service.desired, service.ready, service.now)) {
    if (!series.waits)
      series.waits =
          std::make_unique<Waits>(Waits{std::vector<std::uint64_t>(kOverloadBuckets.size() + 1), 0});
    auto const bucket = std::lower_bound(kOverloadBuckets.begin(), kOverloadBuckets.end(), waited);
    ++series.waits->counts[static_cast<std::size_t>(bucket - kOverloadBuckets.begin())];
    series.waits->sum += waited;
  }
  if (service.conditions == nullptr) return;
  series.conditions.clear();
  for (auto const& condition : *service.conditions)
    series.conditions.emplace_back(index_of_type(condition.type), condition.status);
}

void OperatorMetrics::forget(api::ServiceKey const& key) {
  services_.erase(key);
}

std::vector<prometheus::MetricFamily> OperatorMetrics::collect() const {
  using prometheus::MetricType;
  FamilyOf desired("eis_operator_desired_replicas", "Workers that the last decision wants",
                   MetricType::Gauge);
  FamilyOf recommended(
      "eis_operator_recommended_replicas",
      "Workers that the last decision recommends, while spec.scaling.paused or mode Advise keeps the count",
      MetricType::Gauge);
  FamilyOf maximum("eis_operator_max_replicas", "Workers that spec.scaling allows at most",
                   MetricType::Gauge);
  FamilyOf ready("eis_operator_ready_replicas", "Workers that answer requests", MetricType::Gauge);
  FamilyOf failing("eis_operator_failing_workers",
                   "Workers that are not ready and have failed more than once", MetricType::Gauge);
  FamilyOf cores("eis_operator_allocated_cores", "CPU cores given to the workers that exist",
                 MetricType::Gauge);
  FamilyOf age("eis_operator_scrape_age_seconds", "Age of the newest usable scrape at the last decision",
               MetricType::Gauge);
  FamilyOf target("eis_operator_latency_target_seconds", "spec.scaling.latencyTarget", MetricType::Gauge);
  FamilyOf conditions("eis_operator_condition",
                      "1 while a condition of the service is True, 0 while False, -1 while Unknown",
                      MetricType::Gauge);
  FamilyOf answers("eis_operator_answers_total", "Answers that the operator saw counted",
                   MetricType::Counter);
  FamilyOf late("eis_operator_late_answers_total",
                "Answers over the latency target, interpolated within its bucket", MetricType::Counter);
  FamilyOf decisions("eis_operator_decisions_total", "Scaling decisions by reason", MetricType::Counter);
  FamilyOf overload("eis_operator_overload_to_ready_seconds",
                    "Time from the decision that asked for a further worker until it was ready",
                    MetricType::Histogram);
  FamilyOf advised("eis_operator_advisor_replicas",
                   "Workers that each advisor has now, and the acting policy wants", MetricType::Gauge);
  FamilyOf advised_cores("eis_operator_advisor_core_seconds_total",
                         "Core-seconds by policy, since midnight UTC or since the advice began",
                         MetricType::Counter);
  FamilyOf advised_late("eis_operator_advisor_late_requests_total",
                        "Late or refused requests by policy, since midnight UTC or since the advice began",
                        MetricType::Counter);
  FamilyOf advised_time("eis_operator_advice_seconds_total",
                        "Seconds that the sums of the advisors hold, and that nobody measured",
                        MetricType::Counter);
  for (auto const& [key, series] : services_) {
    auto const& last = series.last;
    desired.add(key, last.desired);
    if (last.recommended) recommended.add(key, *last.recommended);
    maximum.add(key, last.maximum);
    ready.add(key, last.ready);
    failing.add(key, last.failing);
    cores.add(key, last.allocated_cores);
    age.add(key, last.scrape_age_seconds);
    target.add(key, std::chrono::duration<double>(last.latency_target).count());
    for (auto const& [type, status] : series.conditions)
      conditions.add(key, "type", types_[type], value_of(status));
    answers.add(key, series.answers.total);
    late.add(key, series.answers.late);
    for (auto const& [reason, count] : series.decisions) decisions.add(key, "reason", reason, count);
    for (auto const& advice : series.advice) {
      // By a name of its own: clang 14 lets no lambda use a structured binding.
      auto const add = [&, &of = key](std::string_view policy, api::PolicyCost const& cost) {
        advised.add(of, "policy", policy, cost.replicas);
        advised_cores.add(of, "policy", policy, static_cast<double>(cost.core_seconds));
        advised_late.add(of, "policy", policy, static_cast<double>(cost.late));
      };
      add("acting", advice.acting);
      for (auto const& [advisor, cost] : advice.advisors) add(scaling::name(advisor), cost);
      advised_time.add(key, "measured", "true", static_cast<double>(advice.measured_seconds));
      advised_time.add(key, "measured", "false", static_cast<double>(advice.unmeasured_seconds));
    }
    auto& histogram = overload.add(key).histogram;
    for (std::size_t i = 0; i <= kOverloadBuckets.size(); ++i) {
      histogram.sample_count += series.waits ? series.waits->counts[i] : 0;
      bool const over = i == kOverloadBuckets.size();
      histogram.bucket.push_back(
          {histogram.sample_count, over ? std::numeric_limits<double>::infinity() : kOverloadBuckets[i]});
    }
    histogram.sample_sum = series.waits ? series.waits->sum : 0;
  }
  std::vector<prometheus::MetricFamily> families;
  if (services_.empty()) return families;  // a family without a series is none
  for (auto* family :
       {&desired, &recommended, &maximum, &ready, &failing, &cores, &age, &target, &conditions, &answers,
        &late, &decisions, &overload, &advised, &advised_cores, &advised_late, &advised_time})
    if (auto taken = family->take(); !taken.metric.empty()) families.push_back(std::move(taken));
  return families;
}

}  // namespace ei::reconcile
