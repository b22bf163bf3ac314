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
    : spans_(std::move(spans)), service_(service), request_timeout_(spec.dispatcher.request_timeout) {
  if (auto const milli = parse_quantity_milli(spec.worker.resources.cpu))
    cores_ = static_cast<double>(*milli) / 1000;
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
  like.queue_capacity = std::min(static_cast<std::size_t>(spec.dispatcher.replicas) *
                                     static_cast<std::size_t>(spec.dispatcher.queue_capacity),
                                 kMostWaiting);
  like.request_timeout = request_timeout_;
  cluster_ = std::make_unique<simulation::Cluster>(
      like, simulation::policy_scaler(settings, {}, true, 1, {}, {}, in_force),
      [answered = answered_.get()](std::uint64_t number, Duration latency) {
        (*answered)[number].seconds = static_cast<float>(simulation::in_seconds(latency));
      });
}

bool Trial::step() {
  auto const& span = spans_[next_];
  *wall_ = std::chrono::seconds(span.begin) - reached_.time_since_epoch();
  Interval const interval{.seconds = simulation::in_seconds(length_of(span)),
                          .requests = static_cast<double>(span.requests),
                          .service_seconds = service_.seconds,
                          .service_cv2 = service_.cv2};
  auto const most = static_cast<std::size_t>(std::ceil(interval.requests / each_));
  for (auto const& job : jobs_of(interval, reached_, most, rng_)) {
    answered_->push_back({-1, static_cast<float>(job.requests)});
    cluster_->offer(job.at, job.service, job.requests);
  }
  reached_ += length_of(span);
  cluster_->run_before(reached_);
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
  while (cluster_->ended() < answered_->size() && reached_ < end)
    cluster_->run_before(reached_ += std::chrono::seconds(1));
  result_.late = cluster_->counts().late + cluster_->counts().lost;
  result_.p50 = percentile(0.50);
  result_.p99 = percentile(0.99);
}

// Nearest rank, over requests.
std::optional<milliseconds> Trial::percentile(double ratio) {
  auto& all = *answered_;
  std::erase_if(all, [](Answered const& each) { return each.seconds < 0; });
  if (all.empty()) return std::nullopt;
  std::sort(all.begin(), all.end(), [](auto const& a, auto const& b) { return a.seconds < b.seconds; });
  double requests = 0;
  for (auto const& each : all) requests += each.requests;
  double left = ratio * requests;
  auto at = all.begin();
  for (; std::next(at) != all.end() && left > at->requests; ++at) left -= at->requests;
  return milliseconds(std::lround(at->seconds * 1000));
}

}  // namespace ei::advice
