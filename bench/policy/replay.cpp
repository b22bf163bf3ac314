#include "bench/policy/replay.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <cmath>
#include <optional>

#include "operator/api/limits.hpp"
#include "operator/scaling/text.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/units.hpp"

namespace ei::bench {
namespace {

constexpr double kMostSeconds = 31 * 86'400.0;
constexpr double kMostPerSecond = 1e6;  // as in a trace of integers

/// What the counters say over the whole log, without the steps where they were reset.
struct Totals {
  double completions = 0;
  double service_seconds = 0;
  double service_seconds_squared = 0;
  std::vector<double> arrivals;  ///< by second since the first sample
  bool too_long = false;         ///< and not counted to its end
};

/// Spreads `count` evenly over [from, to), which may begin and end within seconds.
void spread(std::vector<double>& by_second, double count, double from_s, double to_s) {
  auto const last = static_cast<std::size_t>(std::ceil(to_s));
  if (by_second.size() < last) by_second.resize(last);
  for (auto second = static_cast<std::size_t>(from_s); second < last; ++second) {
    double const begin = std::max(from_s, static_cast<double>(second));
    double const end = std::min(to_s, static_cast<double>(second + 1));
    by_second[second] += count * std::max(0.0, end - begin) / (to_s - from_s);
  }
}

bool goes_on(scaling::Sample const& before, scaling::Sample const& after) {
  // Comparisons with NaN are false, so a broken sample ends here too.
  return after.at > before.at && after.epoch == before.epoch && after.arrivals >= before.arrivals &&
         after.completions >= before.completions && after.service_seconds >= before.service_seconds &&
         after.service_seconds_squared >= before.service_seconds_squared;
}

Totals totals_of(std::vector<scaling::LogRecord> const& log) {
  Totals totals;
  std::optional<scaling::Sample> before;
  std::optional<Time> begin;
  for (scaling::LogRecord const& record : log) {
    if (!record.snapshot.sample) continue;
    scaling::Sample const& sample = *record.snapshot.sample;
    if (before && sample.at <= before->at) continue;  // told before, or too late to tell anything
    if (!begin) begin = sample.at;
    totals.too_long = in_seconds(sample.at - *begin) > kMostSeconds;
    if (totals.too_long) break;
    if (before && goes_on(*before, sample)) {
      totals.completions += sample.completions - before->completions;
      totals.service_seconds += sample.service_seconds - before->service_seconds;
      totals.service_seconds_squared += sample.service_seconds_squared - before->service_seconds_squared;
      spread(totals.arrivals, sample.arrivals - before->arrivals, in_seconds(before->at - *begin),
             in_seconds(sample.at - *begin));
    }
    before = sample;
  }
  return totals;
}

/// Whole requests whose running sum follows the spread one.
Trace whole(std::vector<double> const& by_second) {
  Trace trace;
  double wanted = 0;
  double given = 0;
  for (double const count : by_second) {
    wanted += count;
    double const now = std::max(0.0, std::floor(wanted - given + 0.5));
    given += now;
    trace.push_back(static_cast<int>(now));
  }
  return trace;
}

double mean_start_seconds(std::vector<scaling::LogRecord> const& log) {
  double sum = 0;
  int count = 0;
  std::vector<std::string> seen;
  for (scaling::LogRecord const& record : log) {
    for (scaling::Worker const& worker : record.snapshot.workers.list) {
      // What is no start is no start: a clock that was set, a line written by hand.
      if (!worker.start_seconds || !(*worker.start_seconds >= 0 && *worker.start_seconds <= 3600)) continue;
      if (std::find(seen.begin(), seen.end(), worker.name) != seen.end()) continue;
      seen.push_back(worker.name);
      sum += *worker.start_seconds;
      ++count;
    }
  }
  constexpr double kUsualStartSeconds = 3;
  return count > 0 ? sum / count : kUsualStartSeconds;
}

/// What the simulator cannot play, named as the log names it; empty when all is well. The ranges are the same
/// as in a manifest.
std::string out_of_range(scaling::Settings const& settings) {
  std::string complaint;
  auto const check = [&](char const* field, long long value, auto const& range) {
    auto const least = static_cast<long long>(range.least);
    auto const most = static_cast<long long>(range.most);
    if (!complaint.empty() || (value >= least && value <= most)) return;
    complaint =
        scaling::text("settings.%s is %lld: it must be within [%lld, %lld]", field, value, least, most);
  };
  auto const in_ms = [](api::Range<milliseconds> const& range) {
    return api::Range<long long>{range.least.count(), range.most.count()};
  };
  check("queue_target", settings.queue_target, api::kQueueTarget);
  check("min_replicas", settings.min_replicas, api::kReplicas);
  check("max_replicas", settings.max_replicas, api::Range<int>{settings.min_replicas, api::kReplicas.most});
  check("cooldown_ms", settings.cooldown.count(), in_ms(api::kCooldown));
  check("latency_target_ms", settings.latency_target.count(), in_ms(api::kLatencyTarget));
  check("interval_ms", settings.interval.count(), in_ms(api::kInterval));
  return complaint;
}

std::string service_of(boost::json::value const& record) {
  return std::string(string_or(record, "namespace")) + "/" + std::string(string_or(record, "name"));
}

/// A line of the log; `run` tells operators apart.
struct Line {
  scaling::LogRecord record;
  std::string run;
  std::optional<WallTime> ts;
};

/// What one operator wrote in one go.
struct Run {
  std::vector<Line> lines;
  std::string name;
};

/// Ids of decisions are unique over restarts by what stands before their last dash.
std::string run_of(boost::json::value const& record) {
  std::string_view const id = string_or(record, "id");
  return std::string(id.substr(0, id.rfind('-')));
}

/// Where another operator begins there is another id, or a clock that was set back.
void add(std::vector<Run>& runs, Line line) {
  bool const goes_on =
      !runs.empty() && runs.back().name == line.run && line.record.now >= runs.back().lines.back().record.now;
  if (!goes_on) runs.push_back({{}, line.run});
  runs.back().lines.push_back(std::move(line));
}

void shift(scaling::LogRecord& record, Duration by) {
  record.now += by;
  if (record.snapshot.sample) record.snapshot.sample->at += by;
}

/// All on the clock of the first.
DecisionLog joined(std::vector<Run> runs) {
  auto const has_ts = [](Run const& run) { return run.lines.front().ts && run.lines.back().ts; };
  if (std::all_of(runs.begin(), runs.end(), has_ts)) {
    std::stable_sort(runs.begin(), runs.end(),
                     [](Run const& a, Run const& b) { return *a.lines.front().ts < *b.lines.front().ts; });
  }
  DecisionLog log;
  std::optional<WallTime> ended;
  for (Run& run : runs) {
    log.starts.push_back(log.records.size());
    Duration by{};
    if (!log.records.empty()) {
      scaling::LogRecord const& last = log.records.back();
      Duration pause = last.settings.interval;
      auto const& begun = run.lines.front().ts;
      if (ended && begun && *begun > *ended) pause = *begun - *ended;
      by = last.now + pause - run.lines.front().record.now;
    }
    ended = run.lines.back().ts;
    for (Line& line : run.lines) {
      shift(line.record, by);
      log.records.push_back(std::move(line.record));
    }
  }
  return log;
}

}  // namespace

Result<DecisionLog> read_decision_log(std::string_view text, std::string const& service) {
  std::vector<Run> runs;
  std::string wanted = service;
  std::size_t bare = 0;  // decisions without what they were made from
  for (int number = 1; !text.empty(); ++number) {
    std::size_t const end = text.find('\n');
    std::string_view one = text.substr(0, end);
    bool const whole_line = end != std::string_view::npos;
    text.remove_prefix(whole_line ? end + 1 : text.size());
    auto const brace = one.find('{');
    if (brace == std::string_view::npos) continue;  // what a shell or a library said
    one.remove_prefix(brace);                       // kubectl's --prefix and --timestamps
    auto const where = "line " + std::to_string(number);
    auto const value = parse_json(one);
    if (!value && !whole_line) break;
    if (!value) return with_context(value.error(), where);
    if (find_member(*value, "snapshot") == nullptr) {
      if (string_or(*value, "event") == "decision") ++bare;
      continue;
    }
    if (wanted.empty()) wanted = service_of(*value);
    if (service_of(*value) != wanted) continue;
    auto record = scaling::log_record_from_json(*value);
    if (!record) return with_context(record.error(), where);
    if (auto const complaint = out_of_range(record->settings); !complaint.empty())
      return make_error(ErrorKind::Invalid, where + ": " + complaint);
    auto const ts = parse_rfc3339(string_or(*value, "ts"));
    add(runs, {std::move(*record), run_of(*value), ts ? std::optional(*ts) : std::nullopt});
  }
  if (!runs.empty()) return joined(std::move(runs));
  std::string what = "no decision of " + (service.empty() ? "any service" : service);
  if (bare > 0) what += " with its inputs: an operator with --decision-log=- writes them into its output";
  return make_error(ErrorKind::NotFound, what);
}

Repetition repeat(DecisionLog const& log) {
  Repetition repetition;
  scaling::State state;
  auto start = log.starts.begin();
  for (scaling::LogRecord const& record : log.records) {
    if (start != log.starts.end() && *start == repetition.decisions) {
      state = {};
      ++start;
    }
    auto const decision = scaling::decide(record.settings, state, record.snapshot, record.now);
    ++repetition.decisions;
    if (decision.from == record.from && decision.to == record.to) ++repetition.same;
  }
  return repetition;
}

Result<Match> match_of_log(std::vector<scaling::LogRecord> const& log) {
  Totals const totals = totals_of(log);
  bool const too_many = std::any_of(totals.arrivals.begin(), totals.arrivals.end(),
                                    [](double count) { return !(count <= kMostPerSecond); });
  if (totals.too_long || too_many) {
    return make_error(ErrorKind::Invalid,
                      "the log is of more than a month, or of more than a million requests in a second");
  }
  if (totals.arrivals.empty() || totals.completions <= 0 || totals.service_seconds <= 0) {
    return make_error(ErrorKind::Invalid,
                      "the log is too short: it takes two samples and a completed request");
  }
  double const mean = totals.service_seconds / totals.completions;
  Match match;
  match.shape = "replay";
  match.trace = whole(totals.arrivals);
  match.service_ms = 1000 * mean;
  match.service_cv2 = std::max(0.0, totals.service_seconds_squared / (totals.completions * mean * mean) - 1);
  match.start_s = mean_start_seconds(log);
  return match;
}

}  // namespace ei::bench
