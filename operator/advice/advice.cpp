#include "operator/advice/advice.hpp"

#include <algorithm>
#include <cmath>

#include "operator/advice/advisor.hpp"

namespace ei::advice {
namespace {

/// What the sums rest on. The advisors follow other bounds, and a pause stops the acting policy alone.
scaling::Settings basis_of(scaling::Settings settings) {
  scaling::Settings const defaults;
  settings.min_replicas = defaults.min_replicas;
  settings.max_replicas = defaults.max_replicas;
  settings.external_replicas = defaults.external_replicas;
  settings.paused = settings.advise = false;
  return settings;
}

/// Counters say what came between two samples, so one lost scrape is bridged. After a longer gap nobody knows
/// when in it the requests came.
simulation::Duration longest_interval(scaling::Settings const& settings) {
  return settings.interval * 5 / 2;
}

std::int64_t whole(double number) {
  return std::llround(number);
}

}  // namespace

void Advice::take(Beat const& beat, SteadyTime now, WallTime wall) {
  auto const same = [](Simulated const& a, scaling::Advisor b) { return a.advisor == b; };
  bool const as_before =
      settings_ == basis_of(beat.settings) &&
      std::equal(advisors_.begin(), advisors_.end(), beat.advisors.begin(), beat.advisors.end(), same);
  auto const midnight = std::chrono::floor<std::chrono::days>(wall);
  if (!as_before) {
    begin(beat, now, wall);
  } else if (std::chrono::floor<std::chrono::days>(since_) != midnight) {
    begin_sums(midnight);
  }
  acting_replicas_ = beat.replicas;
  if (beat.sample && beat.sample->at > counted_) {
    count(beat);
    counted_ = beat.sample->at;
    last_ = Last{*beat.sample, beat.refused, beat.existing};
  } else if (now - counted_ > longest_interval(beat.settings)) {
    unmeasured_seconds_ += simulation::in_seconds(now - counted_);
    counted_ = now;
    last_.reset();
  }
}

void Advice::begin(Beat const& beat, SteadyTime now, WallTime wall) {
  settings_ = basis_of(beat.settings);
  reached_ = {};
  last_.reset();
  if (beat.sample) last_ = Last{*beat.sample, beat.refused, beat.existing};
  counted_ = beat.sample ? beat.sample->at : now;
  advisors_.clear();
  simulation::ClusterSettings like;
  like.replicas = beat.replicas;
  like.latency_target = beat.settings.latency_target;
  like.queue_capacity = std::min(beat.queue_capacity, kMostWaiting);
  like.request_timeout = beat.request_timeout;
  for (auto const advisor : beat.advisors) {
    auto cluster = std::make_unique<simulation::Cluster>(like, scaler_of(advisor, beat.settings, 1));
    advisors_.push_back({advisor, std::move(cluster), {}});
  }
  begin_sums(wall);
}

void Advice::begin_sums(WallTime since) {
  since_ = since;
  measured_seconds_ = unmeasured_seconds_ = requests_ = 0;
  acting_ = {};
  for (auto& each : advisors_) each.sums = {};
}

void Advice::count(Beat const& beat) {
  auto const interval = measured(beat);
  if (!interval) {
    unmeasured_seconds_ += simulation::in_seconds(beat.sample->at - counted_);
    return;
  }
  measured_seconds_ += interval->seconds;
  requests_ += interval->requests;
  add_acting(beat, *interval);
  simulate(beat, *interval);
}

std::optional<Interval> Advice::measured(Beat const& beat) {
  if (!last_ || beat.sample->at - last_->sample.at > longest_interval(beat.settings)) return std::nullopt;
  auto interval = between(last_->sample, *beat.sample);
  if (!interval) return std::nullopt;
  if (interval->service_seconds) {
    service_seconds_ = interval->service_seconds;
    service_cv2_ = interval->service_cv2;
  }
  interval->service_seconds = service_seconds_;
  interval->service_cv2 = service_cv2_;
  if (interval->requests > 0 && !service_seconds_) return std::nullopt;
  return interval;
}

void Advice::add_acting(Beat const& beat, Interval const& interval) {
  acting_.core_seconds += interval.seconds * (last_->existing + beat.existing) / 2 * beat.cores;
  acting_.late += std::max(0.0, beat.sample->late.value_or(0) - last_->sample.late.value_or(0));
  acting_.late += std::max(0.0, beat.refused - last_->refused);
}

void Advice::simulate(Beat const& beat, Interval const& interval) {
  double const most = std::min(kMostJobsPerSecond * interval.seconds, kMostJobsAtOnce) /
                      static_cast<double>(advisors_.size());
  auto const jobs = jobs_of(interval, reached_, static_cast<std::size_t>(most), rng_);
  reached_ += simulation::seconds(interval.seconds);
  for (auto& each : advisors_) {
    auto& cluster = *each.cluster;
    cluster.set_bounds(least_of(each.advisor, beat.settings.min_replicas), beat.settings.max_replicas);
    cluster.set_start_delay(simulation::seconds(beat.start_seconds));
    double const cores_before = cluster.core_seconds();
    double const late_before = cluster.counts().late + cluster.counts().lost;
    for (auto const& job : jobs) cluster.offer(job.at, job.service, job.requests);
    cluster.run_before(reached_);
    each.sums.core_seconds += (cluster.core_seconds() - cores_before) * beat.cores;
    each.sums.late += cluster.counts().late + cluster.counts().lost - late_before;
  }
}

api::Advice Advice::report() const {
  api::Advice out;
  out.since = since_;
  out.measured_seconds = whole(measured_seconds_);
  out.unmeasured_seconds = whole(unmeasured_seconds_);
  out.requests = whole(requests_);
  out.acting = {acting_replicas_, whole(acting_.core_seconds), whole(acting_.late)};
  for (auto const& each : advisors_) {
    out.advisors.emplace_back(
        each.advisor,
        api::PolicyCost{each.cluster->current(), whole(each.sums.core_seconds), whole(each.sums.late)});
  }
  return out;
}

}  // namespace ei::advice
