#include "operator/advice/trial.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "operator/advice/advice.hpp"
#include "operator/schedule/entry.hpp"
#include "operator/simulation/scalers.hpp"

namespace ei::advice {
namespace {

using scaling::Policy;
using simulation::Duration;
using simulation::Time;

Duration length_of(Span const& span) {
  return std::chrono::milliseconds(100 * span.tenths);
}

}  // namespace

Result<Trial> Trial::begin(std::vector<Span> spans, ServiceTime service, api::Spec const& spec,
                           double start_seconds) {
  auto const policy = spec.scaling.policy;
  if (policy != Policy::Latency && policy != Policy::QueueRatio) {
    return make_error(ErrorKind::Invalid,
                      "spec.scaling.policy is " + std::string(name(policy)) +
                          ", which decides elsewhere; allowed in a trial: Latency, QueueRatio");
  }
  return Trial(std::move(spans), service, spec, start_seconds);
}

Trial::Trial(std::vector<Span> spans, ServiceTime service, api::Spec const& spec, double start_seconds)
    : spans_(std::move(spans)),
      service_(service),
      cores_(api::worker_cores(spec)),
      request_timeout_(spec.dispatcher.request_timeout) {
  double requests = 0;
  for (auto const& each : spans_) requests += each.requests;
  each_ = std::max(1.0, std::ceil(requests / kMostTrialJobs));
  auto settings = spec.scaling;
  settings.paused = settings.advise = false;
  auto const in_force = [settings, entries = spec.schedule, wall = wall_.get()](Time now) {
    auto const at = std::chrono::duration_cast<WallTime::duration>(now.time_since_epoch() + *wall);
    return schedule::in_force(settings, entries, WallTime(at)).settings;
  };
  simulation::ClusterSettings like;
  like.replicas = std::clamp<int>(spans_.front().workers, settings.min_replicas, settings.max_replicas);
  like.start_delay = simulation::seconds(start_seconds);
  like.latency_target = settings.latency_target;
  like.queue_capacity = std::min(api::queue_capacity(spec), kMostWaiting);
  like.request_timeout = request_timeout_;
  cluster_ = std::make_unique<simulation::Cluster>(
      like, simulation::policy_scaler(settings, {}, true, 1, {}, {}, in_force),
      [jobs = jobs_.get()](std::uint64_t number, Duration latency) {
        auto const ms = std::chrono::round<milliseconds>(latency).count();
        jobs->answered[ms] += static_cast<double>(jobs->requests[number]);
      });
}

bool Trial::step() {
  auto const& span = spans_[next_];
  if (piece_ == 0) *wall_ = std::chrono::seconds(span.begin) - reached_.time_since_epoch();
  // Its requests, spread over pieces of a second or less.
  auto const pieces = std::max(1, (span.tenths + 9) / 10);
  auto const until = [&](int piece) { return static_cast<std::int64_t>(span.requests) * piece / pieces; };
  auto const length = length_of(span) / pieces;
  Interval const interval{.seconds = simulation::in_seconds(length),
                          .requests = static_cast<double>(until(piece_ + 1) - until(piece_)),
                          .service_seconds = service_.seconds,
                          .service_cv2 = service_.cv2};
  auto const most = static_cast<std::size_t>(std::ceil(interval.requests / each_));
  for (auto const& job : jobs_of(interval, reached_, most, rng_)) {
    jobs_->requests.push_back(static_cast<float>(job.requests));
    cluster_->offer(job.at, job.service, job.requests);
  }
  reached_ += length;
  cluster_->run_before(reached_);
  if (++piece_ < pieces) return true;
  piece_ = 0;
  result_.workers.push_back(cluster_->current());
  if (++next_ < spans_.size()) return true;
  finish();
  return false;
}

void Trial::finish() {
  result_.core_seconds = cluster_->core_seconds() * cores_;
  result_.changes = cluster_->scale_events();
  // What waits still is answered, or not in time; nothing more comes.
  auto const end = reached_ + request_timeout_;
  while (cluster_->ended() < jobs_->requests.size() && reached_ < end)
    cluster_->run_before(reached_ += std::chrono::seconds(1));
  result_.late = cluster_->counts().late + cluster_->counts().lost;
  result_.p50 = percentile(0.50);
  result_.p99 = percentile(0.99);
}

// Nearest rank, over requests.
std::optional<milliseconds> Trial::percentile(double ratio) const {
  double requests = 0;
  for (auto const& [ms, count] : jobs_->answered) requests += count;
  double left = ratio * requests;
  for (auto const& [ms, count] : jobs_->answered) {
    left -= count;
    if (left <= 0) return milliseconds(ms);
  }
  return std::nullopt;
}

}  // namespace ei::advice
