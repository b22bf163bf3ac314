#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "operator/api/service.hpp"
#include "operator/reconcile/indicators.hpp"
#include "runtime/metrics/registry.hpp"

namespace ei::reconcile {

/// The operator's own metrics, `eis_operator_*`, and of its requests to the API
/// server, under client-go's names.
class OperatorMetrics {
 public:
  /// Must outlive every exposition of `registry`.
  explicit OperatorMetrics(metrics::Registry& registry);
  OperatorMetrics(OperatorMetrics const&) = delete;
  OperatorMetrics& operator=(OperatorMetrics const&) = delete;

  void reconciled(std::string_view result, double seconds);
  void failed(std::string_view error_kind);
  /// One request to the API server; status 0: it got no answer.
  void api_request(std::string_view method, std::string_view resource, int status, double seconds);
  void queue_depth(std::size_t keys) { queue_depth_.Set(static_cast<double>(keys)); }
  void leader(bool leads) { leader_.Set(leads ? 1 : 0); }

  /// What one decision knows of its service.
  struct Service {
    std::string_view reason;  ///< scaling::name(Reason), which lives as long as the program
    int from = 0;             ///< workers asked for before
    int desired = 0;
    std::optional<int> recommended;  ///< while paused or advising
    int maximum = 0;
    int ready = 0;
    int failing = 0;  ///< not ready, and more than one try has ended so
    double allocated_cores = 0;
    double scrape_age_seconds = 0;
    milliseconds latency_target{};
    std::uint64_t epoch = 0;              ///< of `answers`; see scaling::Sample
    std::optional<AnswerCounts> answers;  ///< empty where the dispatchers were not asked
    std::vector<api::Condition> const* conditions = nullptr;
    std::vector<api::Advice> const* advice = nullptr;  ///< one, or none
    SteadyTime now{};
  };
  void decided(api::ServiceKey const& key, Service const& service);
  /// Ends the series of a service that is gone.
  void forget(api::ServiceKey const& key);

 private:
  /// Seconds that workers were awaited, by bucket; the last count is of what is over every bound.
  struct Waits {
    std::vector<std::uint64_t> counts;
    double sum = 0;
  };
  /// Plain numbers: a handle of the library takes 400 bytes, and a service has twenty series.
  struct Series {
    Indicators indicators;
    Service last;  ///< without what it points to
    AnswerCounts answers;
    std::vector<std::pair<std::string_view, double>> decisions;            ///< by reason
    std::vector<std::pair<std::size_t, api::ConditionStatus>> conditions;  ///< by index into types_
    std::vector<api::Advice> advice;                                       ///< one, or none
    std::unique_ptr<Waits> waits;                                          ///< none before the first one
  };
  [[nodiscard]] std::size_t index_of_type(std::string const& type);
  [[nodiscard]] std::vector<prometheus::MetricFamily> collect() const;

  metrics::Registry& registry_;
  metrics::Gauge& queue_depth_;
  metrics::Gauge& leader_;
  metrics::Histogram& duration_;
  std::vector<std::string> types_;  ///< of conditions: a handful for all services
  std::map<api::ServiceKey, Series> services_;
};

}  // namespace ei::reconcile
