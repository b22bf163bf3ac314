// The dispatcher's metrics: every name, help text and bucket stands in metrics.cpp.
#pragma once

#include <prometheus/family.h>

#include <map>
#include <string>
#include <vector>

#include "dispatcher/exchange/exchange.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/handshake.hpp"
#include "runtime/http/handshake_queue.hpp"
#include "runtime/http/server.hpp"
#include "runtime/metrics/requests.hpp"
#include "runtime/process/usage.hpp"
#include "runtime/tls/renewal.hpp"
#include "runtime/trace/exporter.hpp"

namespace ei::dispatcher {

/// Figures that change with every request are counted where they change (completed()), all others are read
/// off the exchange when somebody asks (collect()), so one exposition is one moment. Use from one thread.
class Metrics {
 public:
  explicit Metrics(metrics::Registry& registry);

  /// Counts one answer of the main port.
  void completed(http::Completed const& answer);

  /// Counts a picture's answer that waited for a worker to be there at all.
  void cold_start(std::chrono::nanoseconds waited);

  /// Brings every other figure up to date.
  void collect(Exchange const& exchange, process::Usage const& usage, SteadyTime now);

 private:
  void collect_versions(std::map<std::string, std::size_t> const& workers);

  metrics::Registry& registry_;
  prometheus::Family<metrics::Gauge>& by_version_;
  std::map<std::string, metrics::Gauge*> versions_;
  metrics::RequestMetrics requests_;
  metrics::Histogram& cold_starts_;
  metrics::Gauge& queue_size_;
  metrics::Gauge& queue_capacity_;
  metrics::Gauge& queue_bytes_;
  metrics::Gauge& in_flight_;
  metrics::Gauge& oldest_age_;
  metrics::Gauge& workers_idle_;
  metrics::Gauge& workers_busy_;
  metrics::Gauge& workers_standby_;
  std::vector<metrics::Gauge*> outputs_;     // by link::kOutputs
  std::vector<metrics::Gauge*> precisions_;  // by link::kPrecisions
  metrics::Gauge& cpu_;
  metrics::Gauge& memory_;
  metrics::Counter& arrivals_;
  metrics::Counter& completions_;
  metrics::Counter& service_seconds_;
  metrics::Counter& service_seconds_squared_;
  metrics::Counter& requeued_;
  metrics::Counter& dropped_full_;
  metrics::Counter& dropped_draining_;
  metrics::Counter& dropped_too_large_;
  metrics::Counter& dropped_deadline_;
  metrics::Counter& dropped_no_worker_;
  metrics::Counter& dropped_client_gone_;
  metrics::Counter& dropped_worker_died_;
  metrics::Counter& dropped_quarantined_;
  std::vector<metrics::Counter*> worker_deaths_;  // by DeathReason
  metrics::Counter& quarantined_;
  metrics::Gauge& quarantine_size_;
};

/// What there is to tell of a dispatcher that exports spans; another has no such series.
class TraceMetrics {
 public:
  explicit TraceMetrics(metrics::Registry& registry);
  void collect(trace::Exporter const& exporter);

 private:
  metrics::Counter& exported_;
  metrics::Counter& dropped_;
};

/// What there is to tell of a dispatcher that speaks TLS; another has no such series.
class TlsMetrics {
 public:
  TlsMetrics(metrics::Registry& registry, WallTime expires);

  void handshake_failed(http::HandshakeFault fault);
  /// A renewal, or a refused one; `expires`: when the certificate in force ends.
  void renewed(tls::Outcome outcome, WallTime expires);
  /// Brings the figures of handshakes that go on up to date.
  void collect(http::HandshakeQueue const& handshakes);

 private:
  std::vector<metrics::Counter*> failures_;  // by HandshakeFault
  metrics::Counter& handshake_seconds_;
  metrics::Gauge& handshakes_waiting_;
  metrics::Counter& renewals_;
  metrics::Counter& refusals_;
  metrics::Gauge& expiry_;
};

}  // namespace ei::dispatcher
