#pragma once

#include <chrono>
#include <string_view>

#include "inference/model/calibration.hpp"
#include "runtime/http/server.hpp"
#include "runtime/metrics/requests.hpp"
#include "runtime/process/usage.hpp"

namespace ei::inference {

/// Every metric of the worker: names, help and buckets. Use from one thread.
class Metrics {
 public:
  explicit Metrics(metrics::Registry& registry);

  void completed(http::Completed const& answer);
  /// One job of the worker link, counted as method JOB of the endpoint `link`.
  void job_completed(bool ok, std::chrono::nanoseconds elapsed);
  void inferred(double seconds, std::size_t pictures);
  /// Pictures whose scores were not finite although the pictures were.
  void nonfinite(std::size_t pictures);
  /// `output` and `precision`: the words of Classifier's, as labels of an info metric.
  void loaded(std::chrono::nanoseconds elapsed, std::string_view output, std::string_view precision,
              std::string_view version);
  /// How int8 agrees with fp32.
  void agrees(Agreement const& agreement);
  void set_ready(bool ready);
  /// A worker that is never one has no such series.
  void set_standby(bool standby);
  void set_links(std::size_t links);
  void collect(process::Usage const& usage);

 private:
  metrics::Registry& registry_;
  metrics::RequestMetrics requests_;
  metrics::Gauge& ready_;
  metrics::Gauge& links_;
  metrics::Gauge& cpu_;
  metrics::Gauge& memory_;
  metrics::Gauge& load_seconds_;
  metrics::Histogram& inference_seconds_;
  metrics::Counter& pictures_;
  metrics::Counter& nonfinite_;
};

}  // namespace ei::inference
