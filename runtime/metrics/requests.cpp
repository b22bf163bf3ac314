#include "runtime/metrics/requests.hpp"

#include <algorithm>
#include <array>

namespace ei::metrics {
namespace {

std::string known_method(std::string const& method) {
  static constexpr std::array kKnown = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
  return std::find(kKnown.begin(), kKnown.end(), method) != kKnown.end() ? method : "other";
}

}  // namespace

RequestMetrics::RequestMetrics(Registry& registry, Family answers, Family seconds)
    : registry_(registry), answers_(std::move(answers)), seconds_(std::move(seconds)) {}

void RequestMetrics::answered(std::string const& method, std::string const& route, int status,
                              std::chrono::nanoseconds elapsed) {
  count(known_method(method), route.empty() ? "other" : route, status, elapsed);
}

void RequestMetrics::count(std::string const& method, std::string const& route, int status,
                           std::chrono::nanoseconds elapsed) {
  registry_
      .counter(answers_.name, answers_.help,
               {{"method", method}, {"endpoint", route}, {"status", std::to_string(status)}})
      .Increment();
  Histogram*& histogram = histograms_[route];
  if (histogram == nullptr) {
    histogram = &registry_.histogram(seconds_.name, seconds_.help, latency_buckets(), {{"endpoint", route}});
  }
  histogram->Observe(std::chrono::duration<double>(elapsed).count());
}

}  // namespace ei::metrics
