#include "bench/policy/contest.hpp"

#include <algorithm>
#include <numeric>

#include "bench/sim/clairvoyant.hpp"

namespace ei::bench {
namespace {

/// A service time, and the scale that makes the course trace's peak need five of six workers with it.
struct Service {
  double milliseconds;
  double scale;
};
constexpr Service kServices[] = {{250, 0.36}, {140, 0.75}, {30, 4.2}};
constexpr double kStarts[] = {3, 10, 30};
constexpr double kLateRatio = 0.01;  // what a p99 target allows, for the clairvoyant

// KEDA leaves the threshold to its user; 5 is the default of its Redis list scaler, and lower than the queue
// target of 50 that our own classic rule is given, so this is the stronger KEDA.
constexpr double kKedaThreshold = 5;

// As Prometheus' example configuration has it; its default is a minute.
constexpr Duration kPrometheusInterval = std::chrono::seconds(15);

/// Whatever policy the settings name, the contestant's is played; each at its own usual
/// interval when it is another's.
scaling::Settings latency(scaling::Settings settings) {
  if (settings.policy != scaling::Policy::Latency) settings.interval = scaling::Settings{}.interval;
  settings.policy = scaling::Policy::Latency;
  settings.paused = false;
  return settings;
}

/// A decision between two scrapes would know nothing new, and find its sample stale.
scaling::Settings behind_prometheus(scaling::Settings settings, Duration scrape_interval) {
  settings = latency(settings);
  settings.interval = std::chrono::duration_cast<std::chrono::milliseconds>(scrape_interval);
  return settings;
}

scaling::Settings classic(scaling::Settings settings) {
  // What another policy looks at each second, the classic rule looks at every quarter minute.
  if (settings.policy != scaling::Policy::QueueRatio) settings.interval = std::chrono::seconds(15);
  settings.policy = scaling::Policy::QueueRatio;
  settings.paused = false;
  return settings;
}

HpaSettings hpa(Rules const& rules, int percent) {
  HpaSettings settings;
  settings.target_percent = percent;
  settings.min_replicas = rules.settings.min_replicas;
  settings.max_replicas = rules.settings.max_replicas;
  return settings;
}

/// The caller says whether the match has the late lane.
Scaler scaler_of(Contestant contestant, Rules const& rules, Scenario const& scenario, std::uint64_t seed) {
  switch (contestant) {
    case Contestant::Latency:
      return policy_scaler(latency(rules.settings), {}, true, seed);
    case Contestant::QueueRatio:
      return policy_scaler(classic(rules.settings), {}, false, seed);
    case Contestant::Hpa70:
      return hpa_scaler(hpa(rules, 70), {}, seed);
    case Contestant::Hpa90:
      return hpa_scaler(hpa(rules, 90), {}, seed);
    case Contestant::Kpa: {
      KpaSettings settings;
      settings.min_replicas = rules.settings.min_replicas;
      settings.max_replicas = rules.settings.max_replicas;
      return kpa_scaler(settings);
    }
    case Contestant::Keda:
      return keda_scaler(hpa(rules, 100), kKedaThreshold, seed);
    case Contestant::Clairvoyant:
      return plan_scaler(clairvoyant_plan(scenario, kLateRatio), true);
    case Contestant::LatencyPrometheus15s:
      return policy_scaler(behind_prometheus(rules.settings, kPrometheusInterval),
                           MetricsPath{kPrometheusInterval}, true, seed);
    case Contestant::RayServe: {
      RaySettings settings;
      settings.min_replicas = rules.settings.min_replicas;
      settings.max_replicas = rules.settings.max_replicas;
      return ray_scaler(settings);
    }
  }
  return {};
}

void add_at_each_start(std::vector<Match>& matches, Match match, bool quick) {
  for (double const start_s : kStarts) {
    if (quick && start_s > kStarts[0]) break;
    match.start_s = start_s;
    matches.push_back(match);
  }
}

Match match_of(std::string shape, Trace const& trace, Service service, double factor) {
  Match match;
  match.shape = std::move(shape);
  match.trace = scale(trace, factor);
  match.service_ms = service.milliseconds;
  match.rate_scale = factor;
  return match;
}

void add_faults(std::vector<Match>& matches, Service service) {
  Trace const course = make_trace(Shape::Course, 0);
  Match lost = match_of("metric_loss", course, service, service.scale);
  lost.metrics_lost_from_s = 235;  // the step at 240 s comes while nobody sees
  lost.metrics_lost_to_s = 265;
  Match looping = match_of("crash_loop", course, service, service.scale);
  looping.start_failure_ratio = 0.3;
  Match dying = match_of("dying", course, service, service.scale);
  dying.mean_life_s = 120;
  for (Match const& match : {lost, looping, dying}) add_at_each_start(matches, match, false);
}

}  // namespace

std::string_view name(Contestant contestant) {
  switch (contestant) {
    case Contestant::Latency:
      return "Latency";
    case Contestant::QueueRatio:
      return "QueueRatio";
    case Contestant::Hpa70:
      return "Hpa70";
    case Contestant::Hpa90:
      return "Hpa90";
    case Contestant::Kpa:
      return "Kpa";
    case Contestant::Keda:
      return "Keda";
    case Contestant::Clairvoyant:
      return "Clairvoyant";
    case Contestant::LatencyPrometheus15s:
      return "LatencyPrometheus15s";
    case Contestant::RayServe:
      return "RayServe";
  }
  return "";
}

bool can_plan(Match const& match, Rules const& rules) {
  constexpr long kMostRequests = 1'200'000;  // at 25 to 50 us a request and run
  return rules.runs * std::accumulate(match.trace.begin(), match.trace.end(), 0L) <= kMostRequests;
}

Scenario scenario_of(Match const& match, Rules const& rules, int run) {
  std::uint64_t const seed = rules.seed * 1000 + static_cast<std::uint64_t>(run);
  Scenario scenario;
  Rng spacing(2 * seed);
  Rng service(2 * seed + 1);
  scenario.arrivals = arrivals(match.trace, spacing);
  scenario.service =
      service_times(scenario.arrivals.size(), match.service_ms / 1000, match.service_cv2, service);
  scenario.trace_length = std::chrono::seconds(match.trace.size());
  scenario.start_delay = seconds(match.start_s);
  scenario.min_replicas = rules.settings.min_replicas;
  scenario.max_replicas = rules.settings.max_replicas;
  scenario.latency_target = rules.settings.latency_target;
  if (match.metrics_lost_to_s > 0) {
    scenario.metrics_lost.push_back(
        {Time(seconds(match.metrics_lost_from_s)), Time(seconds(match.metrics_lost_to_s))});
  }
  scenario.start_failure_ratio = match.start_failure_ratio;
  scenario.mean_life_seconds = match.mean_life_s;
  scenario.fault_seed = seed;
  return scenario;
}

namespace {

bool is_baseline(Contestant contestant) {
  switch (contestant) {
    case Contestant::Latency:
    case Contestant::LatencyPrometheus15s:
    case Contestant::Clairvoyant:
      return false;
    default:
      return true;
  }
}

Cell play_with(Match const& match, Contestant contestant, Rules const& rules, bool late_lane) {
  Cell cell;
  cell.match = &match;
  cell.contestant = contestant;
  cell.late_lane = late_lane;
  Outcome all;
  for (int run = 0; run < rules.runs; ++run) {
    Scenario const scenario = scenario_of(match, rules, run);
    Scaler scaler = scaler_of(contestant, rules, scenario, scenario.fault_seed);
    scaler.late_lane = late_lane;
    Outcome outcome = simulate(scenario, std::move(scaler));
    cell.worst_p99_s = std::max(cell.worst_p99_s, summarize(outcome, scenario.latency_target).p99_s);
    all.latency_seconds.insert(all.latency_seconds.end(), outcome.latency_seconds.begin(),
                               outcome.latency_seconds.end());
    all.core_seconds += match.worker_cores * outcome.core_seconds / rules.runs;
    all.core_seconds_with_idle += match.worker_cores * outcome.core_seconds_with_idle / rules.runs;
    cell.summary.scale_events += outcome.scale_events;
    if (run == 0) cell.first = std::move(outcome);
  }
  double const events = static_cast<double>(cell.summary.scale_events) / rules.runs;
  cell.summary = summarize(all, rules.settings.latency_target);
  cell.summary.scale_events = events;
  return cell;
}

}  // namespace

Cell play(Match const& match, Contestant contestant, Rules const& rules) {
  Cell laned = play_with(match, contestant, rules, true);
  if (!is_baseline(contestant) || rules.lane_for_all) return laned;
  // Where nearly all are punctual the lane keeps a few late ones from making others late, and where more than
  // one in a hundred is late anyway it makes those wait all the longer: which is better for p99 differs.
  Cell plain = play_with(match, contestant, rules, false);
  auto const rank = [](Cell const& cell) { return std::pair(cell.summary.p99_s, cell.summary.late_ratio); };
  return rank(laned) < rank(plain) ? laned : plain;
}

std::vector<Match> grid(bool quick) {
  std::vector<Match> matches;
  Trace const course = make_trace(Shape::Course, 0);
  for (Service const& service : kServices)
    add_at_each_start(matches, match_of("course", course, service, service.scale), quick);
  for (Service const& service : kServices)
    add_at_each_start(matches, match_of("course", course, service, 1), quick);
  if (quick) return matches;
  for (Shape const shape : {Shape::Sinusoid, Shape::Square, Shape::OnOff, Shape::Ramp, Shape::FlashCrowd,
                            Shape::RandomSteps, Shape::Spikes}) {
    Trace const trace = make_trace(shape, 1);
    for (Service const& service : kServices) {
      add_at_each_start(matches, match_of(std::string(name(shape)), trace, service, service.scale), false);
    }
  }
  for (Service const& service : kServices) {
    Match heavy = match_of("heavy_tails", make_trace(Shape::Constant, 1), service, service.scale);
    heavy.service_cv2 = 4;
    add_at_each_start(matches, heavy, false);
    add_faults(matches, service);
  }
  return matches;
}

Match match_of(Trace trace, Measured const& measured) {
  Match match;
  match.shape = "measured";
  match.trace = std::move(trace);
  match.service_ms = measured.service_ms;
  match.service_cv2 = measured.service_cv2;
  match.start_s = measured.start_s;
  match.worker_cores = measured.worker_cores;
  return match;
}

std::vector<Match> matches_of(Trace const& trace, bool quick) {
  std::vector<Match> matches;
  for (Service const& service : kServices)
    add_at_each_start(matches, match_of("trace", trace, service, service.scale), quick);
  for (Service const& service : kServices)
    add_at_each_start(matches, match_of("trace", trace, service, 1), quick);
  return matches;
}

}  // namespace ei::bench
