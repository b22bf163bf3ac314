#pragma once

#include <map>
#include <string>
#include <string_view>

#include "operator/api/service.hpp"
#include "runtime/metrics/registry.hpp"

namespace ei::reconcile {

/// The operator's own metrics, `eis_operator_*`, and of its requests to the API
/// server, under client-go's names.
class OperatorMetrics {
 public:
  explicit OperatorMetrics(metrics::Registry& registry);

  void reconciled(std::string_view result, double seconds);
  void failed(std::string_view error_kind);
  void decided(std::string_view reason);
  /// One request to the API server; status 0: it got no answer.
  void api_request(std::string_view method, std::string_view resource, int status, double seconds);
  void queue_depth(std::size_t keys) { queue_depth_.Set(static_cast<double>(keys)); }
  void leader(bool leads) { leader_.Set(leads ? 1 : 0); }

  struct Replicas {
    int desired = 0;
    int ready = 0;
    double scrape_age_seconds = 0;
  };
  void service(api::ServiceKey const& key, Replicas const& replicas);
  /// Ends the series of a service that is gone.
  void forget(api::ServiceKey const& key);

 private:
  struct Gauges {
    metrics::Gauge* desired;
    metrics::Gauge* ready;
    metrics::Gauge* scrape_age;
  };

  metrics::Registry& registry_;
  prometheus::Family<metrics::Gauge>& desired_;
  prometheus::Family<metrics::Gauge>& ready_;
  prometheus::Family<metrics::Gauge>& scrape_age_;
  metrics::Gauge& queue_depth_;
  metrics::Gauge& leader_;
  metrics::Histogram& duration_;
  std::map<api::ServiceKey, Gauges> services_;
};

}  // namespace ei::reconcile
