#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace ei::scaling {

/// Instant of the caller's choosing: the operator passes its steady clock, the simulator its virtual time.
using Time = std::chrono::steady_clock::time_point;
using Seconds = std::chrono::duration<double>;

enum class Policy {
  Latency,     ///< hold the latency target on as few workers as possible (the default)
  QueueRatio,  ///< the classic rule: replicas in proportion to the queue, with a cooldown
  External,    ///< somebody else (HPA, KEDA, kubectl scale) writes the replica count
  Webhook,     ///< another program answers each snapshot with a count
};

/// What is done for a snapshot that the webhook gave no usable answer to.
enum class WebhookFailure {
  Hold,     ///< keep what runs
  Latency,  ///< the default policy decides
};

enum class MetricsLoss {
  Hold,        ///< without metrics keep what runs
  ScaleToMax,  ///< without metrics for 10 s go to the maximum
};

/// A policy that runs beside the acting one, on a model of the service.
enum class Advisor : std::uint8_t { Latency, QueueRatio, Hpa70, Hpa90, Keda, Kpa, RayServe };
inline constexpr Advisor kAdvisors[] = {Advisor::Latency, Advisor::QueueRatio, Advisor::Hpa70,
                                        Advisor::Hpa90,   Advisor::Keda,       Advisor::Kpa,
                                        Advisor::RayServe};

/// What a worker on standby is sure to get: links and probes take less, and a node has room for many.
inline constexpr double kStandbyCores = 0.01;

/// What a user may set; every field has the value that applies when nothing is said.
struct Settings {
  Policy policy = Policy::Latency;
  int queue_target = 50;  ///< waiting requests
  int min_replicas = 1;   ///< 0: to zero, see idle_after
  int max_replicas = 6;
  int standby = 0;  ///< workers that wait, warm, to be promoted
  std::chrono::milliseconds cooldown{150'000};
  std::chrono::milliseconds idle_after{
      300'000};  ///< with a minimum of 0: without a request so long, no worker
  std::chrono::milliseconds latency_target{500};
  std::chrono::milliseconds interval{1'000};  ///< of decisions; `QueueRatio` is classically run every 15 s
  bool paused = false;
  bool advise = false;  ///< say what would be done, and do nothing
  MetricsLoss on_metrics_loss = MetricsLoss::Hold;
  int external_replicas = 1;  ///< obeyed under `External` alone
  WebhookFailure on_webhook_failure = WebhookFailure::Hold;

  bool operator==(Settings const&) const = default;
};

/// How many standbys there shall be beside so many workers: none that could never be promoted.
int standbys_wanted(Settings const& settings, int replicas);

/// "Latency", "QueueRatio", "External", "Webhook".
std::string_view name(Policy policy);
/// "Hold", "ScaleToMax".
std::string_view name(MetricsLoss loss);
/// "Hold", "Latency".
std::string_view name(WebhookFailure failure);
/// As it is written in this file.
std::string_view name(Advisor advisor);

}  // namespace ei::scaling
