#pragma once

#include <chrono>
#include <map>
#include <string>

#include "runtime/metrics/registry.hpp"

namespace ei::metrics {

/// Counts answers by method, route and status, and the seconds they took by route (latency_buckets).
/// Use from one thread.
class RequestMetrics {
 public:
  struct Family {
    std::string name;
    std::string help;
  };

  RequestMetrics(Registry& registry, Family answers, Family seconds);

  /// An HTTP request's answer. A client may send any word as a method and ask for any path: what is no method
  /// of RFC 9110 or 5789, and an empty `route`, count as `other`, so that the series stay few.
  void answered(std::string const& method, std::string const& route, int status,
                std::chrono::nanoseconds elapsed);

  /// Any other work, under words of the caller's own.
  void count(std::string const& method, std::string const& route, int status,
             std::chrono::nanoseconds elapsed);

 private:
  Registry& registry_;
  Family answers_;
  Family seconds_;
  std::map<std::string, Histogram*> histograms_;  // by route
};

}  // namespace ei::metrics
