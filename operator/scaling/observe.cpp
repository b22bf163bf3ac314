#include "operator/scaling/observe.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ei::scaling {
namespace {

constexpr double kServiceWindowSeconds = 60;  // the longest look-back of any term
constexpr std::size_t kMaxSamples = 1024;     // 60 s at 17 samples a second; a bound, not a choice
constexpr double kMinCompletions = 10;        // fewer say little about a mean and nothing about a variance
constexpr std::size_t kRememberedStarts =
    5;  // enough to average out one slow start, few enough to follow a new node
constexpr double kAssumedStartSeconds = 5;  // an image that is already on the node
constexpr double kMaxCv2 = 16;              // beyond it the tail formula asks for the maximum anyway
constexpr int kStaleIntervals = 2;          // one lost scrape is ordinary

double seconds_between(Time earlier, Time later) {
  return Seconds(later - earlier).count();
}

bool plausible(Sample const& s) {
  for (double value : {s.arrivals, s.completions, s.service_seconds, s.service_seconds_squared, s.queue,
                       s.in_flight, s.oldest_age_seconds}) {
    if (!std::isfinite(value) || value < 0) return false;
  }
  return !s.late || (std::isfinite(*s.late) && *s.late >= 0);
}

bool was_reset(Sample const& before, Sample const& after) {
  return after.epoch != before.epoch || after.arrivals < before.arrivals ||
         after.completions < before.completions || after.service_seconds < before.service_seconds ||
         after.service_seconds_squared < before.service_seconds_squared;
}

SampleUse take_sample(Settings const& settings, State& state, std::optional<Sample> const& sample, Time now) {
  if (!sample) return SampleUse::Missing;
  if (!plausible(*sample)) return SampleUse::Invalid;
  if (sample->at > now || now - sample->at > kStaleIntervals * settings.interval) return SampleUse::Stale;
  if (!state.samples.empty()) {
    Sample const& last = state.samples.back();
    if (sample->at <= last.at) return *sample == last ? SampleUse::Repeated : SampleUse::Stale;
    if (was_reset(last, *sample)) {
      state.samples.assign(1, *sample);  // counts from here on
      return SampleUse::CounterReset;
    }
  }
  state.samples.push_back(*sample);
  return SampleUse::Fresh;
}

void forget_old_samples(State& state) {
  auto& samples = state.samples;
  while (samples.size() > 2 && (samples.size() > kMaxSamples ||
                                seconds_between(samples[1].at, samples.back().at) >= kServiceWindowSeconds)) {
    samples.erase(samples.begin());
  }
}

void learn_service(State& state) {
  auto const window = span(state, 0, kServiceWindowSeconds);
  if (!window || window->completions < kMinCompletions || window->service_seconds <= 0) return;
  double const mean = window->service_seconds / window->completions;
  double const cv2 = window->service_seconds_squared / (window->completions * mean * mean) - 1;
  state.service = State::Service{mean, std::clamp(cv2, 0.0, kMaxCv2)};
}

void learn_starts(State& state, Workers const& workers) {
  std::vector<std::string> present;
  std::vector<Worker const*> all;
  for (auto const* list : {&workers.list, &workers.standbys}) {
    for (Worker const& worker : *list) all.push_back(&worker);
  }
  for (Worker const* each : all) {
    Worker const& worker = *each;
    if (!worker.start_seconds || !std::isfinite(*worker.start_seconds) || *worker.start_seconds < 0) continue;
    present.push_back(worker.name);
    if (std::find(state.counted.begin(), state.counted.end(), worker.name) != state.counted.end()) continue;
    state.start_seconds.push_back(*worker.start_seconds);
    state.failed_replacements = 0;
    if (state.start_seconds.size() > kRememberedStarts)
      state.start_seconds.erase(state.start_seconds.begin());
  }
  state.counted = std::move(present);
}

void note_continuity(Settings const& settings, State& state, SampleUse use, Time now) {
  // Under another policy nobody noted what was needed, however long the samples came.
  if (state.policy != settings.policy) {
    state.policy = settings.policy;
    state.observing_since.reset();
    state.needs.clear();
  }
  if (use == SampleUse::Fresh || use == SampleUse::Repeated) {
    state.blind_since.reset();
    if (!state.observing_since) state.observing_since = now;
    return;
  }
  if (!state.blind_since) state.blind_since = now;
  // A scrape that fails once leaves the counters' differences whole. After a reset or a longer gap nobody
  // knows what was needed meanwhile, so the hold window starts again.
  if (use == SampleUse::CounterReset || now - *state.blind_since > kStaleIntervals * settings.interval) {
    state.observing_since.reset();
    state.needs.clear();
  }
}

}  // namespace

SampleUse observe(Settings const& settings, State& state, Snapshot const& snapshot, Time now) {
  learn_starts(state, snapshot.workers);
  SampleUse const use = take_sample(settings, state, snapshot.sample, now);
  note_continuity(settings, state, use, now);
  if (use == SampleUse::Fresh || use == SampleUse::CounterReset) {
    state.sampled_replicas = snapshot.workers.current;
  }
  if (use == SampleUse::Fresh) {
    forget_old_samples(state);
    learn_service(state);
  }
  return use;
}

std::optional<Span> span(State const& state, double ago_seconds, double length_seconds) {
  if (state.samples.size() < 2) return std::nullopt;
  Time const newest = state.samples.back().at;
  auto const newest_at_least = [&](double age_seconds) -> Sample const& {
    for (auto it = state.samples.rbegin(); it != state.samples.rend(); ++it) {
      if (seconds_between(it->at, newest) >= age_seconds) return *it;
    }
    return state.samples.front();
  };
  Sample const& last = newest_at_least(ago_seconds);
  Sample const& first = newest_at_least(ago_seconds + length_seconds);
  if (first.at >= last.at) return std::nullopt;
  return Span{seconds_between(first.at, last.at), last.arrivals - first.arrivals,
              last.completions - first.completions, last.service_seconds - first.service_seconds,
              last.service_seconds_squared - first.service_seconds_squared};
}

double expected_start_seconds(State const& state) {
  if (state.start_seconds.empty()) return kAssumedStartSeconds;
  return std::accumulate(state.start_seconds.begin(), state.start_seconds.end(), 0.0) /
         static_cast<double>(state.start_seconds.size());
}

}  // namespace ei::scaling
