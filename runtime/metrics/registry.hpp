#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ei::metrics {

using Labels = std::map<std::string, std::string>;
using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

/// The Content-Type of exposition().
inline constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

/// Buckets for answers from 1 ms to 60 s, in seconds: each at most half as far again as the one before from
/// 50 ms on, as a p99 and the share over a latency target are read off between them.
[[nodiscard]] std::vector<double> latency_buckets();

/// The metrics of one process over prometheus-cpp's core. Safe from any thread.
/// Handles live as long as the registry: resolve them once and keep the reference.
class Registry {
 public:
  /// The same name and labels give the same handle. `name` must be a valid
  /// metric name (std::invalid_argument).
  Counter& counter(std::string const& name, std::string const& help, Labels const& labels = {});
  Gauge& gauge(std::string const& name, std::string const& help, Labels const& labels = {});
  /// `buckets`: ascending upper bounds without +Inf.
  Histogram& histogram(std::string const& name, std::string const& help, std::vector<double> const& buckets,
                       Labels const& labels = {});

  /// Every family as Prometheus text, version 0.0.4.
  [[nodiscard]] std::string exposition() const;

  /// For what this wrapper does not offer (removing a series).
  [[nodiscard]] prometheus::Registry& raw() { return registry_; }

  /// Adds families that are made when they are asked for, where handles for each series would cost too much.
  void add(std::function<std::vector<prometheus::MetricFamily>()> source) {
    sources_.push_back(std::move(source));
  }

 private:
  prometheus::Registry registry_;
  std::vector<std::function<std::vector<prometheus::MetricFamily>()>> sources_;
};

}  // namespace ei::metrics
