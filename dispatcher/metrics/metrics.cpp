#include "dispatcher/metrics/metrics.hpp"

#include <algorithm>
#include <chrono>

#include "dispatcher/contract/metrics.hpp"

namespace ei::dispatcher {
namespace {

constexpr char const* kRequests = "dispatcher_requests_total";
constexpr char const* kRequestsHelp = "Answers by method, route and status; 499 for clients that left first.";
constexpr char const* kResponseTimeHelp = "Seconds from a request's first byte to its answer, by route.";
constexpr char const* kWorkers = "dispatcher_workers";
constexpr char const* kWorkersHelp =
    "Linked workers that compute (busy), wait for a request (idle) or only in case they are needed "
    "(standby).";
constexpr char const* kByOutputHelp =
    "Linked workers by what their model's last layer gives: scores, probabilities or log_probabilities.";
constexpr char const* kByPrecisionHelp =
    "Linked workers by what their model computes in: fp32, bf16 or int8.";
constexpr char const* kByVersionHelp =
    "Linked workers by the weights they compute with: the first 12 digits of the SHA-256 of the weights' "
    "file.";
constexpr char const* kDeaths = "dispatcher_worker_deaths_total";
constexpr char const* kDeathsHelp =
    "Workers lost: under a job without a word (crash), over its limit (overrun), after their goodbye "
    "(leaving), "
    "for what they sent (protocol), or without a job (idle).";
constexpr char const* kRenewals = "dispatcher_tls_renewals_total";
constexpr char const* kRenewalsHelp = "Certificates read from their files: taken (success), or refused.";
constexpr char const* kHandshakes = "dispatcher_tls_handshake_failures_total";
constexpr char const* kHandshakesHelp = "TLS handshakes of clients and workers that failed, by reason.";
constexpr char const* kSpans = "dispatcher_spans_total";
constexpr char const* kSpansHelp =
    "Spans that the collector took (exported), or that it did not take in the end or that found no room "
    "(dropped).";
constexpr char const* kDroppedHelp = "Valid requests that ended without an answer, by reason.";

// A process starts in a second, a pod in some, a node in minutes.
std::vector<double> start_buckets() {
  return {0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 10, 20, 30, 60, 120, 300, 600};
}

// Counters only add; the exchange's own sums only grow.
void raise_to(metrics::Counter& counter, double total) {
  counter.Increment(std::max(0.0, total - counter.Value()));
}
void raise_to(metrics::Counter& counter, std::uint64_t total) {
  raise_to(counter, static_cast<double>(total));
}

}  // namespace

Metrics::Metrics(metrics::Registry& registry)
    : registry_(registry),
      by_version_(prometheus::BuildGauge()
                      .Name(metric::kWorkersByVersion)
                      .Help(kByVersionHelp)
                      .Register(registry.raw())),
      requests_(registry, {kRequests, kRequestsHelp}, {metric::kResponseTime, kResponseTimeHelp}),
      cold_starts_(
          registry.histogram("dispatcher_cold_start_seconds",
                             "Seconds from the arrival of a request that found no worker until one was "
                             "linked, of those that were answered.",
                             start_buckets())),
      queue_size_(registry.gauge(metric::kQueueSize, "Requests that wait for a worker.")),
      queue_capacity_(registry.gauge("dispatcher_queue_capacity", "Requests that may wait; above, 429.")),
      queue_bytes_(registry.gauge("dispatcher_queue_bytes", "Bytes of the waiting requests' pictures.")),
      in_flight_(registry.gauge(metric::kInFlight, "Requests that workers compute.")),
      oldest_age_(registry.gauge(metric::kOldestAge,
                                 "How long the oldest waiting request has waited; 0 when none waits.")),
      workers_idle_(registry.gauge(kWorkers, kWorkersHelp, {{"state", "idle"}})),
      workers_busy_(registry.gauge(kWorkers, kWorkersHelp, {{"state", "busy"}})),
      workers_standby_(registry.gauge(kWorkers, kWorkersHelp, {{"state", "standby"}})),
      cpu_(registry.gauge("dispatcher_cpu_usage_percent", "CPU time used, of what this process may use.")),
      memory_(registry.gauge("dispatcher_memory_usage_percent",
                             "Resident memory, of what this process may use.")),
      arrivals_(
          registry.counter(metric::kArrivals, "Valid requests offered to the queue, refused ones included.")),
      completions_(registry.counter(metric::kCompletions, "Requests that a worker answered.")),
      service_seconds_(
          registry.counter(metric::kServiceSeconds,
                           "Sum of the completions' service times: hand-out to result, without the "
                           "wait in a worker that serves others as well.")),
      service_seconds_squared_(
          registry.counter(metric::kServiceSecondsSquared, "Sum of the squares of the service times.")),
      requeued_(registry.counter("dispatcher_requeued_total",
                                 "Requests that were to be tried once more as their worker was lost.")),
      dropped_full_(registry.counter(metric::kDropped, kDroppedHelp, {{"reason", "full"}})),
      dropped_draining_(registry.counter(metric::kDropped, kDroppedHelp, {{"reason", "draining"}})),
      dropped_too_large_(registry.counter(metric::kDropped, kDroppedHelp, {{"reason", "too_large"}})),
      dropped_deadline_(registry.counter(metric::kDropped, kDroppedHelp, {{"reason", "deadline"}})),
      dropped_no_worker_(registry.counter(metric::kDropped, kDroppedHelp, {{"reason", "no_worker"}})),
      dropped_client_gone_(registry.counter(metric::kDropped, kDroppedHelp, {{"reason", "client_gone"}})),
      dropped_worker_died_(registry.counter(metric::kDropped, kDroppedHelp, {{"reason", "worker_died"}})),
      dropped_quarantined_(registry.counter(metric::kDropped, kDroppedHelp, {{"reason", "quarantined"}})),
      quarantined_(registry.counter(metric::kQuarantined,
                                    "Pictures put in quarantine, as two workers ended under them.")),
      quarantine_size_(registry.gauge("dispatcher_quarantine_size",
                                      "Pictures in quarantine: the same bytes are answered with 422.")) {
  for (auto const reason : {DeathReason::Crash, DeathReason::Overrun, DeathReason::Leaving,
                            DeathReason::Protocol, DeathReason::Idle}) {
    worker_deaths_.push_back(
        &registry.counter(kDeaths, kDeathsHelp, {{"reason", std::string(to_string(reason))}}));
  }
  for (auto const output : link::kOutputs)
    outputs_.push_back(
        &registry.gauge(metric::kWorkersByOutput, kByOutputHelp, {{"output", std::string(output)}}));
  for (auto const precision : link::kPrecisions) {
    precisions_.push_back(&registry.gauge(metric::kWorkersByPrecision, kByPrecisionHelp,
                                          {{"precision", std::string(precision)}}));
  }
}

void Metrics::completed(http::Completed const& answer) {
  requests_.answered(answer.method, answer.pattern, answer.status, answer.elapsed);
}

void Metrics::cold_start(std::chrono::nanoseconds waited) {
  cold_starts_.Observe(std::chrono::duration<double>(waited).count());
}

void Metrics::collect(Exchange const& exchange, process::Usage const& usage, SteadyTime now) {
  RequestQueue const& queue = exchange.queue();
  queue_size_.Set(static_cast<double>(queue.size()));
  queue_capacity_.Set(static_cast<double>(queue.limits().capacity));
  queue_bytes_.Set(static_cast<double>(queue.bytes()));
  in_flight_.Set(static_cast<double>(queue.in_flight()));
  oldest_age_.Set(queue.oldest() ? std::chrono::duration<double>(now - *queue.oldest()).count() : 0);
  workers_busy_.Set(static_cast<double>(exchange.busy_workers()));
  workers_idle_.Set(static_cast<double>(exchange.idle_workers()));
  workers_standby_.Set(static_cast<double>(exchange.standby_workers()));
  for (std::size_t i = 0; i < outputs_.size(); ++i)
    outputs_[i]->Set(static_cast<double>(exchange.workers_by_output(link::kOutputs[i])));
  for (std::size_t i = 0; i < precisions_.size(); ++i)
    precisions_[i]->Set(static_cast<double>(exchange.workers_by_precision(link::kPrecisions[i])));
  if (auto const agreement = exchange.least_agreement()) {
    // A series only where there is something to tell: no number would say "unknown".
    registry_
        .gauge(metric::kInt8Agreement,
               "Part of the calibration pictures for which int8 gives the class of fp32; the least that a "
               "linked worker measured.")
        .Set(*agreement);
  }
  collect_versions(exchange.workers_by_version());
  cpu_.Set(usage.cpu_percent);
  memory_.Set(usage.memory_percent);
  QueueCounters const& counters = queue.counters();
  raise_to(arrivals_, counters.arrivals);
  raise_to(completions_, counters.completions);
  raise_to(service_seconds_, counters.service_seconds);
  raise_to(service_seconds_squared_, counters.service_seconds_squared);
  raise_to(requeued_, counters.requeued);
  DropCounters const& drops = exchange.drops();
  raise_to(dropped_full_, drops.full);
  raise_to(dropped_draining_, drops.draining);
  raise_to(dropped_too_large_, drops.too_large);
  raise_to(dropped_deadline_, drops.deadline);
  raise_to(dropped_no_worker_, drops.no_worker);
  raise_to(dropped_client_gone_, drops.client_gone);
  raise_to(dropped_worker_died_, drops.worker_died);
  raise_to(dropped_quarantined_, drops.quarantined);
  for (std::size_t i = 0; i < kDeathReasons; ++i) raise_to(*worker_deaths_[i], exchange.deaths()[i]);
  raise_to(quarantined_, exchange.quarantines());
  quarantine_size_.Set(static_cast<double>(exchange.quarantined(now)));
}

void Metrics::collect_versions(std::map<std::string, std::size_t> const& workers) {
  // A version that nobody computes with any more is no series: rollouts would add one after another.
  for (auto each = versions_.begin(); each != versions_.end();) {
    if (workers.contains(each->first)) {
      ++each;
    } else {
      by_version_.Remove(each->second);
      each = versions_.erase(each);
    }
  }
  for (auto const& [version, count] : workers) {
    auto& gauge = versions_[version];
    if (gauge == nullptr) gauge = &by_version_.Add({{"version", version}});
    gauge->Set(static_cast<double>(count));
  }
}

TraceMetrics::TraceMetrics(metrics::Registry& registry)
    : exported_(registry.counter(kSpans, kSpansHelp, {{"result", "exported"}})),
      dropped_(registry.counter(kSpans, kSpansHelp, {{"result", "dropped"}})) {}

void TraceMetrics::collect(trace::Exporter const& exporter) {
  raise_to(exported_, exporter.exported());
  raise_to(dropped_, exporter.dropped());
}

TlsMetrics::TlsMetrics(metrics::Registry& registry, WallTime expires)
    : handshake_seconds_(registry.counter("dispatcher_tls_handshake_seconds_total",
                                          "Time that TLS handshakes have taken of the dispatcher's thread.")),
      handshakes_waiting_(registry.gauge("dispatcher_tls_handshakes_waiting",
                                         "TLS handshakes that wait for others to take their time.")),
      renewals_(registry.counter(kRenewals, kRenewalsHelp, {{"result", "success"}})),
      refusals_(registry.counter(kRenewals, kRenewalsHelp, {{"result", "refused"}})),
      // A time and not a rest: it is right whenever it is scraped, and an alert subtracts time().
      expiry_(registry.gauge("dispatcher_tls_certificate_expiry_timestamp_seconds",
                             "When the certificate in force ends, in seconds since 1970.")) {
  for (int fault = 0; fault < http::kHandshakeFaults; ++fault) {
    auto const reason = std::string(to_string(static_cast<http::HandshakeFault>(fault)));
    failures_.push_back(&registry.counter(kHandshakes, kHandshakesHelp, {{"reason", reason}}));
  }
  expiry_.Set(std::chrono::duration<double>(expires.time_since_epoch()).count());
}

void TlsMetrics::handshake_failed(http::HandshakeFault fault) {
  failures_[static_cast<std::size_t>(fault)]->Increment();
}

void TlsMetrics::collect(http::HandshakeQueue const& handshakes) {
  raise_to(handshake_seconds_, std::chrono::duration<double>(handshakes.spent()).count());
  handshakes_waiting_.Set(static_cast<double>(handshakes.waiting()));
}

void TlsMetrics::renewed(tls::Outcome outcome, WallTime expires) {
  (outcome == tls::Outcome::Refused ? refusals_ : renewals_).Increment();
  expiry_.Set(std::chrono::duration<double>(expires.time_since_epoch()).count());
}

}  // namespace ei::dispatcher
