#include "tests/sim/run/faults.hpp"

#include <algorithm>
#include <array>

namespace ei::sim {
namespace {

using Moment = Script::Moment;
using What = Moment::What;

constexpr double kFaultSeconds = 90;
constexpr double kFollows = 0.6;
constexpr double kFollowsWithinSeconds = 3;

/// One or two kinds of trouble at a time, so that a failure can be read.
Weather draw_weather(simulation::Rng& rng) {
  Weather weather;
  for (int i = 0; i < 2; ++i) {
    switch (rng.below(9)) {
      case 0:
        weather.slow_share = rng.uniform(0.1, 0.9);
        weather.slow_seconds = rng.uniform(0.1, 2);
        weather.slow_answer_seconds = rng.uniform(0.1, 4.5);
        break;
      case 1:
        weather.lost_share = rng.uniform(0.02, 0.3);
        break;
      case 2:
        weather.unheard_share = rng.uniform(0.02, 0.3);
        break;
      case 3:
        weather.refused_share = rng.uniform(0.05, 1);
        if (rng.uniform() < 0.5) weather.refused_code = rng.uniform() < 0.5 ? 504 : 429;
        weather.refused_late = rng.uniform() < 0.5;
        break;
      case 4:
        weather.cut_share = rng.uniform(0.05, 0.5);
        break;
      case 5:
        weather.stalled_share = rng.uniform(0.1, 0.6);
        break;
      case 6:
        weather.late_share = rng.uniform(0.1, 0.6);
        break;
      case 7:
        weather.split = true;
        break;
      default:
        break;
    }
  }
  return weather;
}

Moment draw_moment(simulation::Rng& rng) {
  // How often each comes up, of their sum.
  static constexpr std::array<std::pair<What, int>, 18> kShares{{{What::Weather, 6},
                                                                 {What::ServerDown, 2},
                                                                 {What::Compact, 2},
                                                                 {What::Freeze, 2},
                                                                 {What::ShiftWall, 1},
                                                                 {What::Terminate, 1},
                                                                 {What::Crash, 4},
                                                                 {What::ScaleByHand, 1},
                                                                 {What::ScaleService, 1},
                                                                 {What::PutForeign, 2},
                                                                 {What::EditChild, 2},
                                                                 {What::DeleteChild, 2},
                                                                 {What::EditSpec, 3},
                                                                 {What::BreakSpec, 1},
                                                                 {What::DeleteService, 1},
                                                                 {What::CreateService, 2},
                                                                 {What::MetricsDown, 2},
                                                                 {What::Rate, 3}}};
  std::uint64_t sum = 0;
  for (auto const& [what, share] : kShares) sum += static_cast<std::uint64_t>(share);
  auto drawn = rng.below(sum);
  Moment moment;
  for (auto const& [what, share] : kShares) {
    if (drawn < static_cast<std::uint64_t>(share)) {
      moment.what = what;
      break;
    }
    drawn -= static_cast<std::uint64_t>(share);
  }
  moment.at_seconds = rng.uniform(0, kFaultSeconds);
  moment.seconds = rng.uniform(0.5, 25);
  moment.number = rng.next() >> 1U;
  if (moment.what == What::Weather) moment.weather = draw_weather(rng);
  return moment;
}

bool is_done_by_people(What what) {
  switch (what) {
    case What::ScaleByHand:
    case What::ScaleService:
    case What::EditChild:
    case What::DeleteChild:
    case What::PutForeign:
    case What::EditSpec:
    case What::BreakSpec:
    case What::DeleteService:
    case What::CreateService:
    case What::Rate:
      return true;
    default:
      return false;
  }
}

}  // namespace

Script draw_script(std::uint64_t seed) {
  simulation::Rng rng(seed);
  Script script;
  script.seed = seed;
  script.fault_seconds = kFaultSeconds;
  script.processes = rng.uniform() < 0.5 ? 2 : 1;
  script.services = rng.uniform() < 0.25 ? 2 : 1;
  script.fates.start_seconds = rng.uniform(1, 8);
  if (rng.uniform() < 0.3) script.fates.late_share = 0.2;
  if (rng.uniform() < 0.3) script.fates.crash_rate = 0.01;
  if (rng.uniform() < 0.2) script.fates.hang_rate = 0.005;
  auto const moments = 4 + rng.below(14);
  for (std::uint64_t i = 0; i < moments; ++i) {
    auto moment = draw_moment(rng);
    // Troubles seldom come alone: what is wrong shows where one meets what another has begun.
    if (i > 0 && rng.uniform() < kFollows)
      moment.at_seconds = script.moments.back().at_seconds + rng.uniform(0, kFollowsWithinSeconds);
    script.moments.push_back(moment);
  }
  std::stable_sort(script.moments.begin(), script.moments.end(),
                   [](auto const& left, auto const& right) { return left.at_seconds < right.at_seconds; });
  return script;
}

Script draw_calm_script(std::uint64_t seed) {
  // Back-offs and watches are at their shortest where nothing fails, so that a run may be short.
  constexpr double kCalmSeconds = 20;
  constexpr double kCalmQuietSeconds = 24 + kAfterKnockSeconds;
  auto script = draw_script(seed);
  script.fault_seconds = kCalmSeconds;
  script.quiet_seconds = kCalmQuietSeconds;
  script.fates = {};
  script.fates.start_seconds = 2;
  std::erase_if(script.moments, [](Moment const& moment) { return !is_done_by_people(moment.what); });
  for (auto& moment : script.moments) {
    moment.at_seconds *= kCalmSeconds / kFaultSeconds;
    moment.seconds *= kCalmSeconds / kFaultSeconds;
  }
  return script;
}

}  // namespace ei::sim
