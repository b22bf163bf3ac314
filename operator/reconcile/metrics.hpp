#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "operator/api/service.hpp"
#include "operator/reconcile/indicators.hpp"
#include "runtime/metrics/registry.hpp"

namespace ei::reconcile {

/// The operator's own metrics, `eis_operator_*`, and of its requests to the API
/// server, under client-go's names.
class OperatorMetrics {
 public:
  explicit OperatorMetrics(metrics::Registry& registry);

  void reconciled(std::string_view result, double seconds);
  void failed(std::string_view error_kind);
  /// One request to the API server; status 0: it got no answer.
  void api_request(std::string_view method, std::string_view resource, int status, double seconds);
  void queue_depth(std::size_t keys) { queue_depth_.Set(static_cast<double>(keys)); }
  void leader(bool leads) { leader_.Set(leads ? 1 : 0); }

  /// What one decision knows of its service.
  struct Service {
    std::string_view reason;  ///< scaling::name(Reason)
    int from = 0;             ///< workers asked for before
    int desired = 0;
    int maximum = 0;
    int ready = 0;
    int failing = 0;  ///< not ready, and more than one try has ended so
    double allocated_cores = 0;
    double scrape_age_seconds = 0;
    milliseconds latency_target{};
    std::uint64_t epoch = 0;              ///< of `answers`; see scaling::Sample
    std::optional<AnswerCounts> answers;  ///< empty where the dispatchers were not asked
    std::vector<api::Condition> const* conditions = nullptr;
    SteadyTime now{};
  };
  void decided(api::ServiceKey const& key, Service const& service);
  /// Ends the series of a service that is gone.
  void forget(api::ServiceKey const& key);

 private:
  template <typename Metric>
  using Family = prometheus::Family<Metric>;

  struct Series {
    metrics::Labels labels;
    Indicators indicators;
    metrics::Gauge* desired;
    metrics::Gauge* maximum;
    metrics::Gauge* ready;
    metrics::Gauge* failing;
    metrics::Gauge* cores;
    metrics::Gauge* scrape_age;
    metrics::Gauge* target;
    metrics::Counter* answers;
    metrics::Counter* late;
    metrics::Histogram* overload;
    std::map<std::string, metrics::Counter*, std::less<>> decisions;  ///< by reason
    std::map<std::string, metrics::Gauge*, std::less<>> conditions;   ///< by type
  };
  Series& series_of(api::ServiceKey const& key);

  metrics::Registry& registry_;
  Family<metrics::Gauge>& desired_;
  Family<metrics::Gauge>& maximum_;
  Family<metrics::Gauge>& ready_;
  Family<metrics::Gauge>& failing_;
  Family<metrics::Gauge>& cores_;
  Family<metrics::Gauge>& scrape_age_;
  Family<metrics::Gauge>& target_;
  Family<metrics::Gauge>& conditions_;
  Family<metrics::Counter>& answers_;
  Family<metrics::Counter>& late_;
  Family<metrics::Counter>& decisions_;
  Family<metrics::Histogram>& overload_;
  metrics::Gauge& queue_depth_;
  metrics::Gauge& leader_;
  metrics::Histogram& duration_;
  std::map<api::ServiceKey, Series> services_;
};

}  // namespace ei::reconcile
