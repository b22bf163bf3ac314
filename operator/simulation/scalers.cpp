#include "operator/simulation/scalers.hpp"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

namespace ei::simulation {
namespace {

/// From a request's arrival to the decision that it wakes its service by: what is promised of the operator.
constexpr Duration kCallDelay = std::chrono::milliseconds(100);
/// Between two looks at a service that sleeps, as reconcile::kIdleLook and its scatter.
constexpr Duration kIdleLook = std::chrono::milliseconds(12'500);

/// An instant within the first period, so that no scaler's clock is in step with the load's.
Time phase(Rng& rng, Duration period) {
  return Time(seconds(in_seconds(period) * rng.uniform()));
}

scaling::Sample sample_of(View const& view, Time now) {
  auto const& counts = view.counts;
  scaling::Sample sample;
  sample.at = now;
  sample.arrivals = counts.arrivals;
  sample.completions = counts.completions;
  sample.service_seconds = counts.service_seconds;
  sample.service_seconds_squared = counts.service_seconds_squared;
  sample.late = counts.late;
  sample.queue = counts.waiting;
  sample.in_flight = static_cast<double>(view.queue.in_flight());
  if (auto const oldest = view.queue.oldest()) sample.oldest_age_seconds = in_seconds(now - *oldest);
  return sample;
}

/// Requests that wait or are served.
double in_system(View const& view) {
  return view.counts.waiting + static_cast<double>(view.queue.in_flight());
}

scaling::Workers workers_of(View const& view, Time now) {
  scaling::Workers workers;
  workers.current = view.current;
  for (SimWorker const& each : view.workers) {
    if (each.draining) continue;
    scaling::Worker& worker = (each.standby ? workers.standbys : workers.list).emplace_back();
    worker.name = std::to_string(each.id);
    worker.ready = each.warm();
    if (!worker.ready) worker.not_ready_seconds = in_seconds(now - each.not_ready_since);
    if (each.ready_since) worker.start_seconds = in_seconds(*each.ready_since - each.created);
  }
  return workers;
}

struct PolicyRun {
  scaling::Settings settings;
  MetricsPath path;
  OnDecision on_decision;
  Answerer answerer;
  SettingsAt settings_at;
  scaling::State state;
  Time next_decision{};
  Time next_scrape{};
  std::optional<scaling::Sample> scraped;
  bool asleep = false;
  bool called = false;
  Time next_call{};
  Order keep;  ///< of which standbys stay as the last decision said

  void bound(int least, int most) {
    settings.min_replicas = least;
    settings.max_replicas = most;
  }

  Time next() const {
    Time const due =
        path.prometheus_interval > Duration{} ? std::min(next_decision, next_scrape) : next_decision;
    return asleep ? std::min(due, next_call) : due;
  }

  /// Of a service without workers: its dispatcher tells of the first request, and nothing else is looked at
  /// but now and then.
  void sleep(View const& view, Time now) {
    next_call = now + kCallDelay;
    called = view.queue.size() > 0;
    if (called) next_decision = now;
  }

  Order act(View const& view, Time now) {
    if (asleep && now == next_call) sleep(view, now);
    if (path.prometheus_interval > Duration{} && now == next_scrape) {
      next_scrape += path.prometheus_interval;
      if (!view.metrics_lost) scraped = sample_of(view, now);
    }
    if (now != next_decision) return {{}, {}, keep.standby, keep.standby_keep};
    next_decision += asleep && !called ? kIdleLook : Duration(settings.interval);
    scaling::Snapshot snapshot;
    snapshot.called = std::exchange(called, false);
    snapshot.workers = workers_of(view, now);
    if (path.prometheus_interval > Duration{}) {
      snapshot.sample = scraped;
    } else if (!view.metrics_lost) {
      snapshot.sample = sample_of(view, now);
    }
    scaling::Settings const in_force = settings_at ? settings_at(now) : settings;
    if (answerer) snapshot.answer = answerer(in_force, snapshot, now);
    scaling::Decision const decision = scaling::decide(in_force, state, snapshot, now);
    if (on_decision) on_decision(snapshot, decision, now);
    Order order;
    if (decision.to != decision.from) order.replicas = decision.to;
    order.standby = decision.standby;
    order.standby_keep = in_force.cooldown;
    keep = order;
    asleep = decision.to == 0;
    if (asleep) next_call = now + kCallDelay;
    for (std::string const& worker : decision.replace) {
      std::from_chars(worker.data(), worker.data() + worker.size(), order.replace.emplace_back());
    }
    return order;
  }
};

HpaPod pod_of(SimWorker const& worker, CpuMetrics const& metrics, bool metrics_lost) {
  HpaPod pod;
  pod.deleting = worker.draining;
  pod.ready = worker.serving();
  pod.started = worker.container_started;
  pod.transition = worker.ready_since.value_or(worker.not_ready_since);
  if (!metrics_lost) pod.cpu = metrics.get(worker.id);
  return pod;
}

struct HpaRun {
  HpaSettings settings;
  CpuPathSettings path;
  HpaController controller;
  CpuMetrics metrics;
  Time next_second{};
  Time next_scrape{};
  Time next_sync{};

  void bound(int least, int most) { controller.bound(least, most); }
  Time next() const { return std::min({next_second, next_scrape, next_sync}); }

  Order act(View const& view, Time now) {
    if (now == next_second) {
      metrics.housekeep(view.workers, now);
      next_second += std::chrono::seconds(1);
    }
    if (now == next_scrape) {
      if (!view.metrics_lost) metrics.scrape(view.workers);
      next_scrape += path.resolution;
    }
    if (now != next_sync) return {};
    next_sync += settings.sync;
    std::vector<HpaPod> pods;
    for (SimWorker const& worker : view.workers) pods.push_back(pod_of(worker, metrics, view.metrics_lost));
    int const replicas =
        controller.reconcile(view.current, hpa_cpu_replicas(settings, view.current, pods, now), now);
    return replicas == view.current ? Order{} : Order{replicas, {}};
  }
};

struct KedaRun {
  HpaSettings settings;
  double threshold = 1;
  HpaController controller;
  Time next_sync{};

  void bound(int least, int most) { controller.bound(least, most); }
  Time next() const { return next_sync; }

  Order act(View const& view, Time now) {
    next_sync += settings.sync;
    std::optional<int> proposal;
    if (!view.metrics_lost) {
      proposal = hpa_external_replicas(settings, view.current, view.counts.waiting, threshold);
    }
    int const replicas = controller.reconcile(view.current, proposal, now);
    return replicas == view.current ? Order{} : Order{replicas, {}};
  }
};

struct KedaHttpRun {
  HpaSettings settings;
  double threshold = 1;
  Duration cooldown{};
  HpaController controller;
  Time next_sync{};
  Time next_look{};
  Time last_busy{};
  std::uint64_t arrivals = 0;

  void bound(int least, int most) { controller.bound(least, most); }

  Time next() const { return std::min(next_sync, next_look); }

  Order act(View const& view, Time now) {
    double const held = static_cast<double>(view.queue.size() + view.queue.in_flight());
    if (now == next_look) {
      next_look += kCallDelay;
      auto const came = view.queue.counters().arrivals;
      if (held > 0 || came != arrivals) last_busy = now;
      arrivals = came;
      if (view.current == 0) return held > 0 ? Order{1, {}} : Order{};
      if (now - last_busy >= cooldown) return Order{0, {}};
    }
    if (now != next_sync) return {};
    next_sync += settings.sync;
    if (view.current == 0) return {};
    int const replicas = controller.reconcile(
        view.current, hpa_external_replicas(settings, view.current, held, threshold), now);
    return replicas == view.current ? Order{} : Order{replicas, {}};
  }
};

struct KpaRun {
  KpaSettings settings;
  Kpa kpa;
  Time next_look{seconds(0.05)};
  Time next_tick{seconds(0.6)};
  double bucket = 0;
  int looks = 0;
  std::optional<Time> unwanted_since{};

  void bound(int least, int most) { kpa.bound(least, most); }
  Time next() const { return std::min(next_look, next_tick); }

  /// The queue proxy reports the concurrency averaged over each second; ten looks stand for the average.
  void look(View const& view) {
    constexpr int kLooks = 10;
    next_look += std::chrono::milliseconds(1000 / kLooks);
    bucket += in_system(view) / kLooks;
    if (++looks < kLooks) return;
    if (!view.metrics_lost) kpa.observe(bucket);
    bucket = 0;
    looks = 0;
  }

  /// Zero is only gone to when it was wanted for the whole grace.
  int with_grace(int replicas, View const& view, Time now) {
    if (replicas > 0 || view.current == 0) {
      unwanted_since.reset();
      return replicas;
    }
    if (!unwanted_since) unwanted_since = now;
    return now - *unwanted_since >= settings.scale_to_zero_grace ? 0 : 1;
  }

  Order act(View const& view, Time now) {
    if (now == next_look) {
      look(view);
      // The activator holds the first request, and pokes the autoscaler.
      if (view.current == 0 && view.queue.size() > 0) return Order{1, {}};
    }
    if (now != next_tick) return {};
    next_tick += settings.tick;
    if (view.metrics_lost) return {};
    int const ready = static_cast<int>(std::count_if(
        view.workers.begin(), view.workers.end(), [](auto const& w) { return w.serving() && !w.draining; }));
    int const replicas = with_grace(kpa.decide(ready, now), view, now);
    return replicas == view.current ? Order{} : Order{replicas, {}};
  }
};

struct RayRun {
  RaySettings settings;
  Ray ray;
  Time next_tick{seconds(0.3)};

  void bound(int least, int most) { ray.bound(least, most); }
  Time next() const { return next_tick; }

  Order act(View const& view, Time) {
    next_tick += settings.tick;
    if (view.metrics_lost) return {};
    int const replicas = ray.decide(in_system(view), view.current);
    return replicas == view.current ? Order{} : Order{replicas, {}};
  }
};

/// A Scaler holds its run by shared pointer because std::function copies what it holds.
template <class Run>
Scaler scaler_of(std::shared_ptr<Run> run, bool late_lane) {
  return Scaler{[run] { return run->next(); },
                [run](View const& view, Time now) { return run->act(view, now); }, late_lane,
                [run](int least, int most) { run->bound(least, most); }};
}

}  // namespace

Scaler policy_scaler(scaling::Settings const& settings, MetricsPath path, bool late_lane, std::uint64_t seed,
                     OnDecision on_decision, Answerer answerer, SettingsAt settings_at) {
  Rng rng(0x90 + seed);
  auto run = std::make_shared<PolicyRun>();
  run->settings = settings;
  run->path = path;
  run->on_decision = std::move(on_decision);
  run->answerer = std::move(answerer);
  run->settings_at = std::move(settings_at);
  run->next_decision = phase(rng, settings.interval);
  run->next_scrape = phase(rng, path.prometheus_interval);
  return scaler_of(std::move(run), late_lane);
}

Scaler hpa_scaler(HpaSettings const& settings, CpuPathSettings path, std::uint64_t seed) {
  Rng rng(0x4a + seed);
  auto run = std::make_shared<HpaRun>(HpaRun{settings,
                                             path,
                                             HpaController(settings),
                                             CpuMetrics(path),
                                             {},
                                             phase(rng, path.resolution),
                                             phase(rng, settings.sync)});
  return scaler_of(std::move(run), false);
}

Scaler keda_scaler(HpaSettings const& settings, double threshold, std::uint64_t seed) {
  Rng rng(0x6e + seed);
  auto run = std::make_shared<KedaRun>(
      KedaRun{settings, threshold, HpaController(settings), phase(rng, settings.sync)});
  return scaler_of(std::move(run), false);
}

Scaler keda_http_scaler(HpaSettings const& settings, double threshold, Duration cooldown,
                        std::uint64_t seed) {
  Rng rng(0x6f + seed);
  auto run = std::make_shared<KedaHttpRun>(KedaHttpRun{settings,
                                                       threshold,
                                                       cooldown,
                                                       HpaController(settings),
                                                       phase(rng, settings.sync),
                                                       phase(rng, kCallDelay),
                                                       {}});
  return scaler_of(std::move(run), false);
}

Scaler kpa_scaler(KpaSettings const& settings) {
  return scaler_of(std::make_shared<KpaRun>(KpaRun{settings, Kpa(settings)}), false);
}

Scaler ray_scaler(RaySettings const& settings) {
  return scaler_of(std::make_shared<RayRun>(RayRun{settings, Ray(settings)}), false);
}

Scaler plan_scaler(std::vector<int> plan, bool late_lane) {
  struct Run {
    std::vector<int> plan;
    std::size_t second = 0;
  };
  auto run = std::make_shared<Run>(Run{std::move(plan), 0});
  auto const next = [run] {
    return run->second < run->plan.size() ? Time(std::chrono::seconds(run->second)) : Time::max();
  };
  auto const act = [run](View const& view, Time) {
    int const wanted = run->plan[run->second++];
    return wanted == view.current ? Order{} : Order{wanted, {}};
  };
  return Scaler{next, act, late_lane};
}

}  // namespace ei::simulation
