#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "operator/scaling/decide.hpp"
#include "operator/simulation/cluster.hpp"
#include "operator/simulation/hpa.hpp"
#include "operator/simulation/kpa.hpp"
#include "operator/simulation/ray.hpp"

namespace ei::simulation {

/// How the queue's metrics reach a policy.
struct MetricsPath {
  /// 0: the operator scrapes the dispatcher itself, just before it decides. Else
  /// what Prometheus scraped last.
  Duration prometheus_interval{0};
};

using OnDecision = std::function<void(scaling::Snapshot const&, scaling::Decision const&, Time)>;

/// Who answers under the policy `Webhook`.
using Answerer = std::function<scaling::Answer(scaling::Settings const&, scaling::Snapshot const&, Time)>;

/// The settings that hold at an instant, where they change with the time.
using SettingsAt = std::function<scaling::Settings(Time)>;

/// The production policy, called every `settings.interval`. With `settings_at` under the settings of the
/// moment, else under `settings` throughout.
Scaler policy_scaler(scaling::Settings const& settings, MetricsPath path, bool late_lane, std::uint64_t seed,
                     OnDecision on_decision = {}, Answerer answerer = {}, SettingsAt settings_at = {});

/// HPA on CPU. The phases of its clock and of metrics-server's are drawn from the seed.
Scaler hpa_scaler(HpaSettings const& settings, CpuPathSettings path, std::uint64_t seed);

/// KEDA's HTTP add-on: nobody once nothing has come for `cooldown` and one at the first request, which its
/// interceptor holds; in between an HPA on ceil(requests held / threshold).
Scaler keda_http_scaler(HpaSettings const& settings, double threshold, Duration cooldown, std::uint64_t seed);

/// KEDA: an HPA on ceil(queue length / threshold), read afresh at each sync.
Scaler keda_scaler(HpaSettings const& settings, double threshold, std::uint64_t seed);

Scaler kpa_scaler(KpaSettings const& settings);

Scaler ray_scaler(RaySettings const& settings);

/// Replica counts known beforehand, one for each second; the last one stays.
Scaler plan_scaler(std::vector<int> plan, bool late_lane);

}  // namespace ei::simulation
