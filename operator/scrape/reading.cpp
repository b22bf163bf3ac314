#include "operator/scrape/reading.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>

#include "dispatcher/contract/link/protocol.hpp"
#include "dispatcher/contract/metrics.hpp"
#include "runtime/metrics/parser.hpp"

namespace ei::scrape {
namespace {

namespace metric = dispatcher::metric;

/// Routes and gRPC methods that carry work; their label is the route's pattern, or the method's path.
bool is_work(std::string_view endpoint) {
  auto const ends_with = [&](std::string_view tail) {
    return endpoint.size() >= tail.size() && endpoint.substr(endpoint.size() - tail.size()) == tail;
  };
  return endpoint == "/predict" || endpoint == "/add_to_queue" || ends_with("/infer") ||
         ends_with("/ModelInfer");
}

/// Whether a sample is a bucket of the answers' histogram.
bool is_bucket(std::string_view name) {
  constexpr std::string_view kHistogram = metric::kResponseTime;
  return name.starts_with(kHistogram) && name.substr(kHistogram.size()) == "_bucket";
}

/// The word that most workers have.
std::string usual(std::vector<Reading> const& readings, std::map<std::string, double> Reading::*counts) {
  std::map<std::string, double> total;
  for (auto const& each : readings) {
    for (auto const& [word, workers] : each.*counts) total[word] += workers;
  }
  auto const most = std::max_element(total.begin(), total.end(),
                                     [](auto const& a, auto const& b) { return a.second < b.second; });
  return most == total.end() || most->second == 0 ? std::string() : most->first;
}

/// Workers by version. A worker is linked to every dispatcher, so that each of these counts all.
std::vector<std::pair<std::string, double>> workers_by_version(std::vector<Reading> const& readings) {
  std::map<std::string, double> most;
  for (auto const& each : readings) {
    for (auto const& [version, workers] : each.versions) most[version] = std::max(most[version], workers);
  }
  std::vector<std::pair<std::string, double>> out;
  for (auto const& each : most) {
    if (each.second > 0) out.push_back(each);
  }
  std::stable_sort(out.begin(), out.end(), [](auto const& a, auto const& b) { return a.second > b.second; });
  return out;
}

/// An upper bound as text: `0.5`, `+Inf`. Empty when it is no number; NaN is none, and would break the order.
std::optional<double> bound(std::string const& text) {
  if (text == "+Inf") return std::numeric_limits<double>::infinity();
  double value = 0;
  auto const read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || !std::isfinite(value)) return {};
  return value;
}

/// What a count, a sum or an age can be.
bool is_amount(double value) {
  return std::isfinite(value) && value >= 0;
}

/// Takes a count of workers by `label`, where its value is one of the words.
void count_workers(metrics::Sample const& sample, std::string const& label,
                   std::span<std::string_view const> words, std::map<std::string, double>& counts) {
  auto const found = sample.labels.find(label);
  if (!is_amount(sample.value) || found == sample.labels.end()) return;
  if (std::find(words.begin(), words.end(), found->second) != words.end())
    counts[found->second] = sample.value;
}

void count_version(metrics::Sample const& sample, std::map<std::string, double>& counts) {
  auto const found = sample.labels.find("version");
  if (!is_amount(sample.value) || found == sample.labels.end()) return;
  if (dispatcher::link::is_model_version(found->second)) counts[found->second] = sample.value;
}

Error no_amount(metrics::Sample const& sample) {
  return make_error(ErrorKind::Protocol, "the metric " + sample.name + " is " + std::to_string(sample.value) +
                                             "; allowed: a number from 0 on");
}

/// FNV-1a (Fowler, Noll, Vo), 64 bits: the same on every run, unlike std::hash.
std::uint64_t hash_of(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  std::uint64_t hash = 14695981039346656037U;
  for (auto const& name : names) {
    for (char c : name + '\n') hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  }
  return hash;
}

}  // namespace

Result<Reading> read_exposition(std::string_view text) {
  auto const samples = metrics::parse_exposition(text);
  if (!samples) return samples.error();
  Reading reading;
  std::map<std::string_view, double*> wanted{
      {metric::kArrivals, &reading.arrivals},
      {metric::kCompletions, &reading.completions},
      {metric::kServiceSeconds, &reading.service_seconds},
      {metric::kServiceSecondsSquared, &reading.service_seconds_squared},
      {metric::kQueueSize, &reading.queue},
      {metric::kInFlight, &reading.in_flight},
      {metric::kOldestAge, &reading.oldest_age_seconds}};
  for (auto const& sample : *samples) {
    if (sample.name == metric::kDropped && is_amount(sample.value)) {
      auto const reason = sample.labels.find("reason");
      if (reason != sample.labels.end() && reason->second == "full") reading.refused = sample.value;
    }
    if (sample.name == metric::kQuarantined && is_amount(sample.value)) reading.quarantined = sample.value;
    if (sample.name == metric::kWorkersByOutput)
      count_workers(sample, "output", dispatcher::link::kOutputs, reading.outputs);
    if (sample.name == metric::kWorkersByPrecision)
      count_workers(sample, "precision", dispatcher::link::kPrecisions, reading.precisions);
    if (sample.name == metric::kWorkersByVersion) count_version(sample, reading.versions);
    if (sample.name == metric::kInt8Agreement && is_amount(sample.value) && sample.value <= 1)
      reading.agreement = sample.value;
    if (auto const found = wanted.find(sample.name); found != wanted.end()) {
      if (!is_amount(sample.value)) return no_amount(sample);
      *found->second = sample.value;
      wanted.erase(found);
    } else if (is_bucket(sample.name)) {
      auto const endpoint = sample.labels.find("endpoint");
      auto const le = sample.labels.find("le");
      if (endpoint == sample.labels.end() || le == sample.labels.end() || !is_work(endpoint->second))
        continue;
      if (!is_amount(sample.value)) return no_amount(sample);
      if (auto const upper = bound(le->second)) reading.answers[*upper] += sample.value;
    }
  }
  if (!wanted.empty()) {
    return make_error(ErrorKind::Protocol, "the metrics lack " + std::string(wanted.begin()->first));
  }
  return reading;
}

scaling::Sample sum(std::vector<Reading> const& readings, std::vector<std::string> const& incarnations,
                    SteadyTime at) {
  scaling::Sample total;
  total.at = at;
  total.epoch = hash_of(incarnations);
  for (auto const& each : readings) {
    total.arrivals += each.arrivals;
    total.completions += each.completions;
    total.service_seconds += each.service_seconds;
    total.service_seconds_squared += each.service_seconds_squared;
    total.queue += each.queue;
    total.in_flight += each.in_flight;
    total.oldest_age_seconds = std::max(total.oldest_age_seconds, each.oldest_age_seconds);
  }
  return total;
}

std::string usual_output(std::vector<Reading> const& readings) {
  return usual(readings, &Reading::outputs);
}

std::string usual_precision(std::vector<Reading> const& readings) {
  return usual(readings, &Reading::precisions);
}

std::string usual_version(std::vector<Reading> const& readings) {
  auto const workers = workers_by_version(readings);
  return workers.empty() ? std::string() : workers.front().first;
}

std::string mixed_versions(std::vector<Reading> const& readings) {
  // A rollout has two, and one that is edited under way three; a sentence holds no more.
  constexpr std::size_t kMost = 3;
  auto const workers = workers_by_version(readings);
  if (workers.size() < 2) return {};
  std::string text;
  for (std::size_t i = 0; i < std::min(kMost, workers.size()); ++i) {
    auto const count = std::to_string(std::llround(workers[i].second));
    if (i == 0) {
      text = count + (count == "1" ? " worker answers" : " workers answer") + " with the weights ";
    } else {
      text += (i + 1 == workers.size() ? " and " : ", ") + count + " with ";
    }
    text += workers[i].first;
  }
  return workers.size() > kMost ? text + " and others with others" : text;
}

std::optional<double> least_agreement(std::vector<Reading> const& readings) {
  std::optional<double> least;
  for (auto const& each : readings) {
    if (each.agreement) least = std::min(least.value_or(1), *each.agreement);
  }
  return least;
}

Buckets sum_answers(std::vector<Reading> const& readings) {
  Buckets total;
  for (auto const& each : readings) {
    for (auto const& [upper, answers] : each.answers) total[upper] += answers;
  }
  return total;
}

double late_answers(Buckets const& answers, double target_seconds) {
  if (answers.empty()) return 0;
  double lower = 0;
  double below = 0;
  for (auto const& [upper, count] : answers) {
    if (upper > target_seconds) {
      // Nobody knows how the last bucket's are spread, so that all of them count as late.
      double const within = std::isinf(upper) ? 0 : (target_seconds - lower) / (upper - lower);
      below += (count - below) * within;
      break;
    }
    lower = upper;
    below = count;
  }
  return answers.rbegin()->second - below;
}

void QuarantineNews::add(Quarantined const& totals) {
  if (seen_) {
    for (auto const& [incarnation, total] : totals) {
      auto const before = seen_->find(incarnation);
      untold_ += std::max(0.0, total - (before == seen_->end() ? 0 : before->second));
    }
  }
  seen_ = totals;
}

std::uint64_t QuarantineNews::due(SteadyTime now) const {
  bool const early = told_ && now - *told_ < kPeriod;
  return early ? 0 : static_cast<std::uint64_t>(untold_);
}

void QuarantineNews::told(SteadyTime now) {
  untold_ = 0;
  told_ = now;
}

void LatencyWindow::add(SteadyTime at, Buckets const& buckets, std::uint64_t epoch) {
  if (epoch != epoch_) points_.clear();
  epoch_ = epoch;
  points_.push_back({at, {buckets.begin(), buckets.end()}});
  // The first point stays the newest that is at least a window old.
  while (points_.size() > 2 && points_[1].at + kLength <= at) points_.erase(points_.begin());
}

std::optional<milliseconds> LatencyWindow::quantile(double share) const {
  if (points_.empty()) return {};
  auto const& newest = points_.back().buckets;
  if (newest.empty()) return {};
  // The first scrape of new dispatchers has nothing before it, and their counters began at zero.
  auto const* const before = points_.size() > 1 ? &points_.front().buckets : nullptr;
  auto const answered = [&](Buckets::value_type const& bucket) {
    if (!before) return bucket.second;
    auto const old = std::lower_bound(before->begin(), before->end(), bucket.first,
                                      [](auto const& each, double upper) { return each.first < upper; });
    return bucket.second - (old == before->end() || old->first != bucket.first ? 0 : old->second);
  };
  double const total = answered(*newest.rbegin());
  if (!(total > 0)) return {};
  double const rank = share * total;
  double lower = 0;
  double below = 0;
  for (auto const& bucket : newest) {
    double const here = answered(bucket);
    if (here >= rank) {
      if (std::isinf(bucket.first)) break;
      double const within = here > below ? (rank - below) / (here - below) : 1;
      lower += (bucket.first - lower) * within;
      break;
    }
    if (!std::isinf(bucket.first)) lower = bucket.first;
    below = here;
  }
  return milliseconds(std::llround(lower * 1000));
}

}  // namespace ei::scrape
