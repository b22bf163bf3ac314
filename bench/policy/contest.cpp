#include "bench/policy/contest.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>

#include "bench/policy/program.hpp"
#include "bench/sim/bound.hpp"
#include "bench/sim/foresight.hpp"
#include "operator/api/limits.hpp"
#include "operator/scaling/exchange.hpp"
#include "operator/scaling/text.hpp"
#include "runtime/core/units.hpp"

namespace ei::bench {
namespace {

/// A service time, and the scale that makes the course trace's peak need five of six workers with it.
struct Service {
  double milliseconds;
  double scale;
};
constexpr Service kServices[] = {{250, 0.36}, {140, 0.75}, {30, 4.2}};
constexpr double kStarts[] = {3, 10, 30};
constexpr double kLateRatio = 0.01;  // what a p99 target allows, for the planner

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

/// Each second, as ours; the manifest's interval where it is of this policy.
scaling::Settings answered(scaling::Settings settings) {
  settings = latency(settings);
  settings.policy = scaling::Policy::Webhook;
  settings.on_webhook_failure = scaling::WebhookFailure::Hold;
  return settings;
}

/// Under the bounds of the schedule, where there is one.
Scaler scheduled(scaling::Settings const& settings, MetricsPath path, bool late_lane, Rules const& rules,
                 std::uint64_t seed, Answerer answerer = {}) {
  SettingsAt settings_at;
  if (!rules.schedule.empty()) {
    settings_at = [settings, entries = rules.schedule, begin = rules.begin](Time now) {
      auto const since = std::chrono::duration_cast<WallTime::duration>(now.time_since_epoch());
      return schedule::in_force(settings, entries, begin + since).settings;
    };
  }
  return policy_scaler(settings, path, late_lane, seed, {}, std::move(answerer), std::move(settings_at));
}

/// The caller says whether the match has the late lane.
Scaler scaler_of(Contestant contestant, Rules const& rules, Scenario const& scenario, std::uint64_t seed) {
  switch (contestant) {
    case Contestant::Latency:
      return scheduled(latency(rules.settings), {}, true, rules, seed);
    case Contestant::QueueRatio:
      return scheduled(classic(rules.settings), {}, false, rules, seed);
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
    case Contestant::Planner:
      return plan_scaler(foreseen_plan(scenario, kLateRatio), true);
    case Contestant::LatencyPrometheus15s:
      return scheduled(behind_prometheus(rules.settings, kPrometheusInterval),
                       MetricsPath{kPrometheusInterval}, true, rules, seed);
    case Contestant::RayServe: {
      RaySettings settings;
      settings.min_replicas = rules.settings.min_replicas;
      settings.max_replicas = rules.settings.max_replicas;
      return ray_scaler(settings);
    }
    case Contestant::Program:
      break;  // program_scaler: it has more to say than a count
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
  // What nobody can go below is reckoned with as many as there may be at any time.
  scenario.max_replicas = rules.settings.max_replicas;
  for (auto const& entry : rules.schedule) {
    scenario.max_replicas =
        std::max({scenario.max_replicas, entry.min_replicas.value_or(0), entry.max_replicas.value_or(0)});
  }
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
    case Contestant::Planner:
    case Contestant::Program:  // it steers our service, so it has our queue
      return false;
    default:
      return true;
  }
}

/// A program under the match: what is asked, and what it did wrong.
class Examinee {
 public:
  Examinee(Player const& player, Match const& match, int run)
      : player_(player), match_(match), run_(run), program_(player.command) {}

  scaling::Answer operator()(scaling::Settings const& settings, scaling::Snapshot const& snapshot, Time now) {
    scaling::Answer wrong;
    wrong.failure = "it failed before";
    if (fault_) return wrong;
    ++line_;
    auto const line = program_.ask(scaling::question("bench/" + match_.shape, settings, snapshot, now),
                                   line_ == 1 ? player_.first_answer : player_.answer);
    auto answer = line ? scaling::read_answer(*line) : Result<scaling::Answer>(line.error());
    if (answer) return *std::move(answer);
    fault_ = with_context(answer.error(), scaling::text("contestant '%s', %s, run %d, second %.1f, line %d",
                                                        player_.own_name.c_str(), title(match_).c_str(),
                                                        run_ + 1, in_seconds(now.time_since_epoch()), line_));
    return wrong;
  }

  std::optional<Error> const& fault() const { return fault_; }

 private:
  Player const& player_;
  Match const& match_;
  int run_;
  Program program_;
  int line_ = 0;
  std::optional<Error> fault_;
};

Result<Outcome> run_once(Scenario const& scenario, Match const& match, Player const& player,
                         Rules const& rules, int run, bool late_lane) {
  if (player.contestant != Contestant::Program) {
    Scaler scaler = scaler_of(player.contestant, rules, scenario, scenario.fault_seed);
    scaler.late_lane = late_lane;
    return simulate(scenario, std::move(scaler));
  }
  Examinee examinee(player, match, run);
  Outcome outcome = simulate(scenario, scheduled(answered(rules.settings), {}, late_lane, rules,
                                                 scenario.fault_seed, std::ref(examinee)));
  if (examinee.fault()) return *examinee.fault();
  return outcome;
}

Result<Cell> play_with(Match const& match, Player const& player, Rules const& rules, bool late_lane) {
  Cell cell;
  cell.match = &match;
  cell.player = player;
  cell.late_lane = late_lane;
  Outcome all;
  for (int run = 0; run < rules.runs; ++run) {
    Scenario const scenario = scenario_of(match, rules, run);
    auto played = run_once(scenario, match, player, rules, run, late_lane);
    if (!played) return played.error();
    Outcome& outcome = *played;
    if (player.contestant == Contestant::Latency) {
      cell.bound_core_seconds += match.worker_cores * least_core_seconds(scenario, kLateRatio) / rules.runs;
    }
    cell.worst_p99_s = std::max(cell.worst_p99_s, summarize(outcome, scenario.latency_target).p99_s);
    all.latency_seconds.insert(all.latency_seconds.end(), outcome.latency_seconds.begin(),
                               outcome.latency_seconds.end());
    all.core_seconds += match.worker_cores * outcome.core_seconds / rules.runs;
    all.process_seconds += outcome.process_seconds / rules.runs;
    all.core_seconds_with_idle += match.worker_cores * outcome.core_seconds_with_idle / rules.runs;
    cell.summary.scale_events += outcome.scale_events;
    if (run == 0) cell.first = std::move(outcome);
  }
  double const events = static_cast<double>(cell.summary.scale_events) / rules.runs;
  cell.summary = summarize(all, rules.settings.latency_target);
  cell.summary.scale_events = events;
  auto const requests = static_cast<double>(all.latency_seconds.size());
  for (auto const target : rules.slo) {
    SloResult& result = cell.slo.emplace_back();
    result.late_ratio = summarize(all, target).late_ratio;
    result.goodput_per_core_second = (1 - result.late_ratio) * requests / rules.runs / all.core_seconds;
  }
  return cell;
}

}  // namespace

std::string title(Match const& match) {
  return scaling::text("%s: service %g ms, rate x%g, start %g s", match.shape.c_str(), match.service_ms,
                       match.rate_scale, match.start_s);
}

Result<Cell> play(Match const& match, Player const& player, Rules const& given) {
  // These loads do not pause, and not everybody here could go to zero: see sparse.hpp.
  Rules rules = given;
  rules.settings.min_replicas = std::max(1, rules.settings.min_replicas);
  auto laned = play_with(match, player, rules, true);
  if (!is_baseline(player.contestant) || rules.lane_for_all) return laned;
  // Where nearly all are punctual the lane keeps a few late ones from making others late, and where more than
  // one in a hundred is late anyway it makes those wait all the longer: which is better for p99 differs.
  auto plain = play_with(match, player, rules, false);
  auto const rank = [](Cell const& cell) { return std::pair(cell.summary.p99_s, cell.summary.late_ratio); };
  return rank(*laned) < rank(*plain) ? laned : plain;
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

Result<std::vector<std::chrono::milliseconds>> read_slo(std::string const& text) {
  constexpr std::size_t kMostTargets = 4;  // columns that a terminal still shows
  std::vector<std::chrono::milliseconds> targets;
  for (std::size_t at = 0; at < text.size();) {
    auto const end = std::min(text.find(',', at), text.size());
    std::string const word = text.substr(at, end - at);
    auto const target = parse_duration(word);
    if (!target || !api::kLatencyTarget.contains(*target) || targets.size() == kMostTargets) {
      return make_error(ErrorKind::Invalid, "--slo '" + word +
                                                "': it must be up to four durations between 10ms "
                                                "and 60s, such as 500ms,750ms");
    }
    targets.push_back(*target);
    at = end + 1;
  }
  return targets;
}

std::vector<Match> matches_of(Trace const& trace, bool quick, bool as_it_stands) {
  std::vector<Match> matches;
  for (Service const& service : kServices) {
    if (as_it_stands) break;
    add_at_each_start(matches, match_of("trace", trace, service, service.scale), quick);
  }
  for (Service const& service : kServices)
    add_at_each_start(matches, match_of("trace", trace, service, 1), quick);
  return matches;
}

}  // namespace ei::bench
