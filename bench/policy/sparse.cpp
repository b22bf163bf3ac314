#include "bench/policy/sparse.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>

#include "operator/scaling/text.hpp"
#include "operator/simulation/rng.hpp"
#include "operator/simulation/scalers.hpp"

namespace ei::bench {
namespace {

using scaling::text;
using namespace std::chrono_literals;

constexpr double kServiceSeconds = 0.03;
constexpr double kServiceCv2 = 0.01;
constexpr Duration kLength = 7h;
constexpr double kKedaHttpThreshold = 5;  // its own 100 requests for each worker would help nobody here
constexpr Duration kKedaCooldown = 300s;
/// Half of what Knative waits at least.
constexpr std::chrono::milliseconds kSoon = 30s;

constexpr char const* kSevenMinutes = "one each 7 min";
constexpr char const* kToZero = "Latency, idleAfter 30s";
constexpr char const* kOneStays = "Latency, one stays";
constexpr char const* kKnative = "Knative";

/// Arrivals that come `count` at a time, `gap` apart on average; `steady`: exactly.
std::vector<Time> arrivals_of(Duration gap, int count, bool steady, Rng& rng) {
  std::vector<Time> times;
  for (Time at(steady ? gap / 2 : seconds(rng.exponential(in_seconds(gap)))); at < Time(kLength);
       at += steady ? gap : seconds(rng.exponential(in_seconds(gap)))) {
    for (int i = 0; i < count; ++i) times.push_back(at + i * 10ms);
  }
  std::sort(times.begin(), times.end());
  return times;
}

struct Load {
  char const* name;
  Duration gap;
  int count;
  bool steady;
};
constexpr Load kLoads[] = {{kSevenMinutes, 7min, 1, true},
                           {"one each 2 min, at random", 2min, 1, false},
                           {"one each 20 min, at random", 20min, 1, false},
                           {"50 at once, each hour", 1h, 50, true}};

struct Way {
  char const* name;
  int least;
  std::function<Scaler(Rules const&, std::uint64_t)> make;
};

std::vector<Way> ways() {
  auto const ours = [](int least, std::optional<std::chrono::milliseconds> idle_after = {}) {
    return [=](Rules const& rules, std::uint64_t seed) {
      auto settings = rules.settings;
      settings.policy = scaling::Policy::Latency;
      settings.paused = false;
      settings.min_replicas = least;
      settings.idle_after = idle_after.value_or(settings.idle_after);
      return policy_scaler(settings, {}, true, seed);
    };
  };
  return {{kToZero, 0, ours(0, kSoon)},
          {"Latency, idleAfter as set", 0, ours(0)},
          {kOneStays, 1, ours(1)},
          {kKnative, 0,
           [](Rules const& rules, std::uint64_t) {
             KpaSettings settings;
             settings.min_replicas = 0;
             settings.max_replicas = rules.settings.max_replicas;
             return kpa_scaler(settings);
           }},
          {"KEDA HTTP add-on", 0, [](Rules const& rules, std::uint64_t seed) {
             HpaSettings settings;
             settings.max_replicas = rules.settings.max_replicas;
             return keda_http_scaler(settings, kKedaHttpThreshold, kKedaCooldown, seed);
           }}};
}

SparseCell const* find(std::vector<SparseCell> const& cells, std::string const& load,
                       std::string const& scaler) {
  auto const found = std::find_if(cells.begin(), cells.end(), [&](auto const& cell) {
    return cell.load == load && cell.scaler == scaler;
  });
  return found == cells.end() ? nullptr : &*found;
}

}  // namespace

std::vector<SparseCell> play_sparse(Rules const& rules) {
  std::vector<SparseCell> cells;
  for (Load const& load : kLoads) {
    for (Way const& way : ways()) {
      SparseCell& cell = cells.emplace_back();
      cell.load = load.name;
      cell.scaler = way.name;
      Outcome all;
      for (int run = 0; run < rules.runs; ++run) {
        std::uint64_t const seed = rules.seed * 1000 + static_cast<std::uint64_t>(run);
        Rng spacing(2 * seed);
        Rng service(2 * seed + 1);
        Scenario scenario;
        scenario.arrivals = arrivals_of(load.gap, load.count, load.steady, spacing);
        scenario.service = service_times(scenario.arrivals.size(), kServiceSeconds, kServiceCv2, service);
        scenario.trace_length = kLength;
        scenario.idle = Duration{};
        scenario.min_replicas = way.least;
        scenario.max_replicas = rules.settings.max_replicas;
        scenario.latency_target = rules.settings.latency_target;
        Outcome const outcome = simulate(scenario, way.make(rules, seed));
        all.latency_seconds.insert(all.latency_seconds.end(), outcome.latency_seconds.begin(),
                                   outcome.latency_seconds.end());
        cell.core_seconds += outcome.core_seconds / rules.runs;
        cell.cold_starts += outcome.cold_starts / rules.runs;
        cell.requests += static_cast<double>(scenario.arrivals.size()) / rules.runs;
      }
      Summary const summary = summarize(all, rules.settings.latency_target);
      cell.p50_s = summary.p50_s;
      cell.p99_s = summary.p99_s;
    }
  }
  return cells;
}

std::string sparse_table(std::vector<SparseCell> const& cells) {
  std::string out = text("\nto zero: minutes between requests, service %g ms, start 3 s, %g hours\n",
                         1000 * kServiceSeconds, in_seconds(kLength) / 3600);
  std::string load;
  for (SparseCell const& cell : cells) {
    if (cell.load != load) {
      load = cell.load;
      out += text("\n  %-28s   core-s  cold starts  of requests    p50 s    p99 s\n", load.c_str());
    }
    out += text("    %-26s %8.0f %12.1f %12.1f %8.3f %8.3f\n", cell.scaler.c_str(), cell.core_seconds,
                cell.cold_starts, cell.requests, cell.p50_s, cell.p99_s);
  }
  auto const* ours = find(cells, kSevenMinutes, kToZero);
  auto const* stays = find(cells, kSevenMinutes, kOneStays);
  auto const* knative = find(cells, kSevenMinutes, kKnative);
  if (!ours || !stays || !knative) return out;
  double const share = ours->core_seconds / stays->core_seconds;
  out += text("  %-6s one each 7 min: core-seconds over those of one that stays %.3f <= 0.1\n",
              share <= 0.1 ? "met" : "MISSED", share);
  double const beside = ours->core_seconds / knative->core_seconds;
  out += text("  %-6s one each 7 min: core-seconds over Knative's               %.3f < 1\n",
              beside < 1 ? "met" : "MISSED", beside);
  return out;
}

}  // namespace ei::bench
