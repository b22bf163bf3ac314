#include "operator/reconcile/metrics.hpp"

namespace ei::reconcile {
namespace {

/// From a cached observation (0.1 ms) to the deadline of a reconcile (10 s); seconds.
std::vector<double> const kDurationBuckets{0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                           0.1,    0.25,   0.5,   1,      2.5,   5,    10};

/// client-go's, of rest_client_request_duration_seconds.
std::vector<double> const kRequestBuckets{0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60};

prometheus::Family<metrics::Gauge>& gauge_family(metrics::Registry& registry, std::string const& name,
                                                 std::string const& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry.raw());
}

}  // namespace

OperatorMetrics::OperatorMetrics(metrics::Registry& registry)
    : registry_(registry),
      desired_(
          gauge_family(registry, "eis_operator_desired_replicas", "Workers that the last decision wants")),
      ready_(gauge_family(registry, "eis_operator_ready_replicas", "Workers that answer requests")),
      scrape_age_(gauge_family(registry, "eis_operator_scrape_age_seconds",
                               "Age of the newest usable scrape at the last decision")),
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

void OperatorMetrics::decided(std::string_view reason) {
  registry_
      .counter("eis_operator_decisions_total", "Scaling decisions by reason",
               {{"reason", std::string(reason)}})
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

void OperatorMetrics::service(api::ServiceKey const& key, Replicas const& replicas) {
  auto found = services_.find(key);
  if (found == services_.end()) {
    prometheus::Labels const labels{{"namespace", key.namespace_name}, {"name", key.name}};
    Gauges const gauges{&desired_.Add(labels), &ready_.Add(labels), &scrape_age_.Add(labels)};
    found = services_.emplace(key, gauges).first;
  }
  found->second.desired->Set(replicas.desired);
  found->second.ready->Set(replicas.ready);
  found->second.scrape_age->Set(replicas.scrape_age_seconds);
}

void OperatorMetrics::forget(api::ServiceKey const& key) {
  auto const found = services_.find(key);
  if (found == services_.end()) return;
  desired_.Remove(found->second.desired);
  ready_.Remove(found->second.ready);
  scrape_age_.Remove(found->second.scrape_age);
  services_.erase(found);
}

}  // namespace ei::reconcile
