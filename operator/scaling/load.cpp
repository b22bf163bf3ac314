#include "operator/scaling/load.hpp"

#include "operator/scaling/observe.hpp"
#include "operator/scaling/queueing.hpp"
#include "operator/scaling/replace.hpp"

#include <algorithm>
#include <cmath>

namespace ei::scaling {
namespace {

constexpr double kLoadWindowSeconds = 10;       // ±1/√(10λ): shorter chases noise, longer lags a ramp
constexpr double kMinLoadWindowSeconds = 3;     // after a restart: a shorter rate is mostly noise
constexpr double kUsableTargetRatio = 0.98;     // the rest of the target is network and parsing
constexpr double kLeastWaitRatio = 0.05;        // of the target, when the service time alone nearly breaks it
constexpr double kServiceSpread = 0.7;          // S(1+0.7c): what three of four requests stay under
constexpr double kBaselineSeconds = 15;         // what a burst is measured against
constexpr double kMinBaselineSeconds = 8;       // with less of it every start-up looks like a burst
constexpr double kBurstSigmas = 3.5;            // Poisson noise passes 3.5σ once in some thousand windows
constexpr double kBurstRatio = 1.5;             // a smaller rise is what the load term's spare capacity takes
constexpr double kLateBudgetRatio = 0.005;      // half of what a p99 target leaves; the rest is a surge's
constexpr double kGenerousLateRatio = 0.02;     // accepted while under the budget
constexpr double kStrictLateRatio = 0.01;       // and when over it
constexpr double kLatenessMemorySeconds = 200;  // a surge's lateness is made good in the minutes after it
constexpr double kQuickStartSeconds = 5;        // a start this quick needs no spare
constexpr double kSpareSeconds = 15;            // of start beyond it for each doubling
constexpr double kSpareRounding = 0.25;         // a quarter of a worker is not worth one; a third is
constexpr double kMostSpareRatio = 0.5;         // beyond this the maximum is reached anyway
constexpr double kMostExtension = 1.5;          // beyond what arrives already: two points make no long line
constexpr int kMostServers = 10'000;            // bounds the search, far above any node

int ceil_workers(double workers) {
  return static_cast<int>(std::ceil(std::clamp(workers, 0.0, static_cast<double>(kMostServers))));
}

/// Whether so many more have come than were expected that Poisson noise hardly explains it.
bool is_significant(double arrivals, double expected) {
  return arrivals - expected > kBurstSigmas * std::sqrt(expected + 1);
}

/// Where the rate of the last k seconds leads by the time a new worker has started: on along the line through
/// the k seconds before, while these differ by more than noise; never beyond half more than arrives already.
double extended_rps(State const& state, Span const& recent, double k, double start_seconds) {
  double const rate_rps = recent.arrivals / recent.seconds;
  auto const before = span(state, k, k);
  if (!before || before->seconds > 2 * k) return rate_rps;
  double const before_rps = before->arrivals / before->seconds;
  if (!is_significant(recent.arrivals, before_rps * recent.seconds)) return rate_rps;
  double const slope = (rate_rps - before_rps) / recent.seconds;
  return std::min(kMostExtension * rate_rps, rate_rps + slope * (start_seconds + 1));
}

/// The last 1, 2 and 4 seconds against the 15 s before them.
std::optional<double> measure_burst(State const& state, double start_seconds) {
  std::optional<double> highest;
  for (double const k : {1.0, 2.0, 4.0}) {
    auto const recent = span(state, 0, k);
    auto const before = span(state, k, kBaselineSeconds);
    if (!recent || !before || before->seconds < kMinBaselineSeconds || recent->seconds > 2 * k) continue;
    double const expected = before->arrivals / before->seconds * recent->seconds;
    bool const rising =
        is_significant(recent->arrivals, expected) && recent->arrivals > kBurstRatio * expected;
    if (!rising) continue;
    highest = std::max(highest.value_or(0), extended_rps(state, *recent, k, start_seconds));
  }
  return highest;
}

}  // namespace

Traffic Load::traffic() const {
  return {offered, service->seconds, service->cv2, wait_seconds};
}

int Load::workers_for_load(double accepted_ratio) const {
  if (!service || !arrival_rps) return 0;
  int const near = least_servers_ahead(traffic(), outlook, accepted_ratio, kMostServers);
  if (standbys == 0) return near;
  return std::max(near, least_servers_ahead(traffic(), far, accepted_ratio, kMostServers) - standbys);
}

int Load::workers_for_burst(double accepted_ratio) const {
  int const near = workers_for(burst_rps.value_or(0), accepted_ratio);
  return std::max(near, workers_for(far_burst_rps.value_or(0), accepted_ratio) - standbys);
}

int Load::workers_for(double rate_rps, double accepted_ratio) const {
  if (!service) return 0;
  return least_servers(rate_rps * service->seconds, service->seconds, service->cv2, wait_seconds,
                       accepted_ratio, kMostServers);
}

double Load::late_with(int workers) const {
  if (!service) return 0;
  return late_ratio_ahead(workers, traffic(), outlook);
}

double Load::late_with_standbys(int workers) const {
  if (!service) return 0;
  return late_ratio_ahead(workers + standbys, traffic(), far);
}

Load measure_load(Settings const& settings, State const& state, Workers const& workers) {
  Load load;
  load.service = state.service;
  load.start_seconds = expected_start_seconds(state);
  auto const window = span(state, 0, kLoadWindowSeconds);
  if (window && window->seconds >= kMinLoadWindowSeconds)
    load.arrival_rps = window->arrivals / window->seconds;
  // Those that start will wait by the time when another one would serve.
  load.standbys = static_cast<int>(workers.standbys.size() - overdue_workers(state, workers.standbys).size());
  load.react_seconds =
      load.standbys > 0 ? std::min(kPromotionSeconds, load.start_seconds) : load.start_seconds;
  // A worker that the next decision asks for serves one start later; until then nothing can help.
  double const interval_seconds = Seconds(settings.interval).count();
  load.outlook.seconds = load.react_seconds + interval_seconds;
  load.outlook.observed_seconds = kLoadWindowSeconds;
  load.burst_rps = measure_burst(state, load.react_seconds);
  load.far_burst_rps = load.standbys > 0 ? measure_burst(state, load.start_seconds) : load.burst_rps;
  if (load.service) {
    double const target_seconds = Seconds(settings.latency_target).count();
    load.wait_seconds = longest_wait_seconds(target_seconds, load.service->seconds, load.service->cv2);
    load.offered = load.arrival_rps.value_or(0) * load.service->seconds;
    if (!state.samples.empty())
      load.outlook.queued_seconds = state.samples.back().queue * load.service->seconds;
  }
  load.far = load.outlook;
  load.far.seconds = load.start_seconds + interval_seconds;
  return load;
}

double recent_late_ratio(State const& state) {
  // Late answers come after their arrivals, so just after a surge there may be more of them.
  return state.lateness.arrivals > 0 ? std::min(1.0, state.lateness.late / state.lateness.arrivals) : 0;
}

double accepted_late_ratio(State const& state) {
  return is_over_late_budget(state) ? kStrictLateRatio : kGenerousLateRatio;
}

bool is_over_late_budget(State const& state) {
  return recent_late_ratio(state) > kLateBudgetRatio;
}

void note_lateness(Load const& load, State& state, int ready) {
  if (!load.service || !load.arrival_rps || state.samples.size() < 2) return;
  Sample const& newest = state.samples.back();
  Sample const& before = state.samples[state.samples.size() - 2];
  State::Lateness& lateness = state.lateness;
  if (newest.at == lateness.at) return;
  double const arrived = newest.arrivals - before.arrivals;
  bool const waits_too_long = newest.oldest_age_seconds > load.wait_seconds;
  double const expected = waits_too_long ? arrived : arrived * load.late_with(ready);
  // With another target another part of all answers ever given is late, so a step of the count says little.
  bool const counted = newest.late && before.late && *newest.late >= *before.late;
  double const answered = arrived + newest.completions - before.completions;
  double const late = counted ? std::min(*newest.late - *before.late, answered) : expected;
  double const kept = std::exp(-Seconds(newest.at - before.at).count() / kLatenessMemorySeconds);
  lateness.late = lateness.late * kept + late;
  lateness.arrivals = lateness.arrivals * kept + arrived;
  lateness.at = newest.at;
}

int spare_workers(int needed, double start_seconds, int standbys) {
  double const ratio = std::clamp((start_seconds - kQuickStartSeconds) / kSpareSeconds, 0.0, kMostSpareRatio);
  int const spare = static_cast<int>(std::ceil(std::max(0.0, needed * ratio - kSpareRounding)));
  return std::max(0, spare - standbys);
}

int backlog_workers(Load const& load, Sample const& sample, int serving) {
  if (!load.service || sample.queue <= 0) return 0;
  double const work_seconds = sample.queue * load.service->seconds;
  bool const long_wait = work_seconds > load.wait_seconds / 2 * serving;
  if (!long_wait && sample.oldest_age_seconds <= load.wait_seconds / 2) return 0;
  return ceil_workers(load.offered + work_seconds / kDrainSeconds);
}

int queue_target_workers(Settings const& settings, Sample const& sample, int current) {
  if (sample.queue <= settings.queue_target) return 0;
  return ceil_workers(std::max(current, 1) * sample.queue / std::max(settings.queue_target, 1));
}

double longest_wait_seconds(double target_seconds, double service_seconds, double service_cv2) {
  double const usual_service_seconds = service_seconds * (1 + kServiceSpread * std::sqrt(service_cv2));
  return std::max(kUsableTargetRatio * target_seconds - usual_service_seconds,
                  kLeastWaitRatio * target_seconds);
}

}  // namespace ei::scaling
