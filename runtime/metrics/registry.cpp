#include "runtime/metrics/registry.hpp"

#include <prometheus/text_serializer.h>

namespace ei::metrics {

std::vector<double> latency_buckets() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75,
          1,     1.5,    2,     2.5,  3.5,   5,    7.5,   10,  12.5, 15,  20,   25,  30,  40,  50,  60};
}

Counter& Registry::counter(std::string const& name, std::string const& help, Labels const& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add(labels);
}

Gauge& Registry::gauge(std::string const& name, std::string const& help, Labels const& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add(labels);
}

Histogram& Registry::histogram(std::string const& name, std::string const& help,
                               std::vector<double> const& buckets, Labels const& labels) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_).Add(labels, buckets);
}

std::string Registry::exposition() const {
  auto families = registry_.Collect();
  for (auto const& source : sources_) {
    for (auto& family : source()) families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace ei::metrics
