#include "operator/advice/advice.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

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
  } else if (now - counted_ > longest_interval(beat.settings)) {
    unmeasured_seconds_ += simulation::in_seconds(now - counted_);
    counted_ = now;
    meter_.forget();
  }
}

void Advice::begin(Beat const& beat, SteadyTime now, WallTime wall) {
  settings_ = basis_of(beat.settings);
  reached_ = {};
  meter_.forget();
  if (beat.sample) {
    (void)meter_.take(*beat.sample, longest_interval(beat.settings));
    last_ = {beat.refused, beat.existing};
  }
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
  auto const interval = meter_.take(*beat.sample, longest_interval(beat.settings));
  auto const last = std::exchange(last_, {beat.refused, beat.existing});
  if (!interval) {
    unmeasured_seconds_ += simulation::in_seconds(beat.sample->at - counted_);
    return;
  }
  measured_seconds_ += interval->seconds;
  requests_ += interval->requests;
  acting_.core_seconds += interval->seconds * (last.existing + beat.existing) / 2 * beat.cores;
  acting_.late += interval->late + std::max(0.0, beat.refused - last.refused);
  simulate(beat, *interval);
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
