#include "operator/reconcile/metrics.hpp"

#include <chrono>
#include <utility>

namespace ei::reconcile {
namespace {

/// From a cached observation (0.1 ms) to the deadline of a reconcile (10 s); seconds.
std::vector<double> const kDurationBuckets{0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                           0.1,    0.25,   0.5,   1,      2.5,   5,    10};

/// client-go's, of rest_client_request_duration_seconds.
std::vector<double> const kRequestBuckets{0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60};

/// From a worker of this machine with its weights in the page cache (0.8 s) to one that waits for a new node
/// and fetches its image there (minutes); seconds.
std::vector<double> const kOverloadBuckets{0.25, 0.5, 1,  1.5, 2,  3,   5,   7.5, 10, 15,
                                           20,   30,  45, 60,  90, 120, 180, 300, 600};

prometheus::Family<metrics::Gauge>& gauges(metrics::Registry& registry, std::string const& name,
                                           std::string const& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry.raw());
}

prometheus::Family<metrics::Counter>& counters(metrics::Registry& registry, std::string const& name,
                                               std::string const& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry.raw());
}

prometheus::Family<metrics::Histogram>& histograms(metrics::Registry& registry, std::string const& name,
                                                   std::string const& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry.raw());
}

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

template <typename Metric>
Metric* with(prometheus::Family<Metric>& family, metrics::Labels labels, std::string const& name,
             std::string_view value) {
  labels.emplace(name, value);
  return &family.Add(labels);
}

}  // namespace

OperatorMetrics::OperatorMetrics(metrics::Registry& registry)
    : registry_(registry),
      desired_(gauges(registry, "eis_operator_desired_replicas", "Workers that the last decision wants")),
      maximum_(gauges(registry, "eis_operator_max_replicas", "Workers that spec.scaling allows at most")),
      ready_(gauges(registry, "eis_operator_ready_replicas", "Workers that answer requests")),
      failing_(gauges(registry, "eis_operator_failing_workers",
                      "Workers that are not ready and have failed more than once")),
      cores_(gauges(registry, "eis_operator_allocated_cores", "CPU cores given to the workers that exist")),
      scrape_age_(gauges(registry, "eis_operator_scrape_age_seconds",
                         "Age of the newest usable scrape at the last decision")),
      target_(gauges(registry, "eis_operator_latency_target_seconds", "spec.scaling.latencyTarget")),
      conditions_(gauges(registry, "eis_operator_condition",
                         "1 while a condition of the service is True, 0 while False, -1 while Unknown")),
      answers_(counters(registry, "eis_operator_answers_total", "Answers that the operator saw counted")),
      late_(counters(registry, "eis_operator_late_answers_total",
                     "Answers over the latency target, interpolated within its bucket")),
      decisions_(counters(registry, "eis_operator_decisions_total", "Scaling decisions by reason")),
      overload_(histograms(registry, "eis_operator_overload_to_ready_seconds",
                           "Time from the decision that asked for a further worker until it was ready")),
      queue_depth_(registry.gauge("eis_operator_queue_depth", "Services that wait to be reconciled")),
      leader_(registry.gauge("eis_operator_leader", "1 while this operator may write")),
      duration_(registry.histogram("eis_operator_reconcile_duration_seconds", "Time of one reconcile",
                                   kDurationBuckets)) {}

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

OperatorMetrics::Series& OperatorMetrics::series_of(api::ServiceKey const& key) {
  auto const found = services_.find(key);
  if (found != services_.end()) return found->second;
  metrics::Labels const labels{{"namespace", key.namespace_name}, {"name", key.name}};
  Series made{labels,
              {},
              &desired_.Add(labels),
              &maximum_.Add(labels),
              &ready_.Add(labels),
              &failing_.Add(labels),
              &cores_.Add(labels),
              &scrape_age_.Add(labels),
              &target_.Add(labels),
              &answers_.Add(labels),
              &late_.Add(labels),
              &overload_.Add(labels, kOverloadBuckets),
              {},
              {}};
  return services_.emplace(key, std::move(made)).first->second;
}

void OperatorMetrics::decided(api::ServiceKey const& key, Service const& service) {
  auto& series = series_of(key);
  auto reason = series.decisions.find(service.reason);
  if (reason == series.decisions.end()) {
    auto* const counter = with(decisions_, series.labels, "reason", service.reason);
    reason = series.decisions.emplace(service.reason, counter).first;
  }
  reason->second->Increment();
  series.desired->Set(service.desired);
  series.maximum->Set(service.maximum);
  series.ready->Set(service.ready);
  series.failing->Set(service.failing);
  series.cores->Set(service.allocated_cores);
  series.scrape_age->Set(service.scrape_age_seconds);
  series.target->Set(std::chrono::duration<double>(service.latency_target).count());
  if (service.answers) {
    auto const grown = series.indicators.answered(service.epoch, service.latency_target, *service.answers);
    series.answers->Increment(grown.total);
    series.late->Increment(grown.late);
  }
  for (double const waited :
       series.indicators.decided(service.from, service.desired, service.ready, service.now))
    series.overload->Observe(waited);
  if (service.conditions == nullptr) return;
  for (auto const& condition : *service.conditions) {
    auto& gauge = series.conditions[condition.type];
    if (gauge == nullptr) gauge = with(conditions_, series.labels, "type", condition.type);
    gauge->Set(value_of(condition.status));
  }
}

void OperatorMetrics::forget(api::ServiceKey const& key) {
  auto const found = services_.find(key);
  if (found == services_.end()) return;
  auto const& series = found->second;
  desired_.Remove(series.desired);
  maximum_.Remove(series.maximum);
  ready_.Remove(series.ready);
  failing_.Remove(series.failing);
  cores_.Remove(series.cores);
  scrape_age_.Remove(series.scrape_age);
  target_.Remove(series.target);
  answers_.Remove(series.answers);
  late_.Remove(series.late);
  overload_.Remove(series.overload);
  for (auto const& [reason, counter] : series.decisions) decisions_.Remove(counter);
  for (auto const& [type, gauge] : series.conditions) conditions_.Remove(gauge);
  services_.erase(found);
}

}  // namespace ei::reconcile
