#include "runtime/http/eviction.hpp"

#include <algorithm>
#include <chrono>

namespace ei::http {
namespace {

using Phase = Standing::Phase;

// Younger phases say nothing yet: a header that a network loses once takes a good part of a second.
constexpr double kSettledSeconds = 1;

double seconds_of(SteadyTime since, SteadyTime now) {
  return std::chrono::duration<double>(now - since).count();
}

// Bytes a second; of a phase younger than a second, as if it were that old.
double pace(Standing const& standing, SteadyTime now) {
  return static_cast<double>(standing.bytes) / std::max(kSettledSeconds, seconds_of(standing.since, now));
}

}  // namespace

std::optional<std::size_t> slowest_connection(std::vector<Standing> const& all, SteadyTime now,
                                              std::size_t min_rate) {
  struct Choice {
    int rank = 0;
    double pace = 0;
    SteadyTime since{};
    bool operator<(Choice const& other) const {
      if (rank != other.rank) return rank < other.rank;
      return pace != other.pace ? pace < other.pace : since < other.since;
    }
  };
  std::optional<std::size_t> victim;
  Choice best;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].phase == Phase::Working) continue;
    Choice choice{0, 0, all[i].since};
    if (all[i].phase == Phase::Idle) {
      choice.rank = 1;
    } else if (seconds_of(all[i].since, now) < kSettledSeconds) {
      choice.rank = 2;  // a quick client is served and gone before it is the oldest
    } else {
      choice.pace = pace(all[i], now);
      choice.rank = choice.pace < static_cast<double>(min_rate) ? 0 : 3;
    }
    if (victim && !(choice < best)) continue;
    victim = i;
    best = choice;
  }
  return victim;
}

std::optional<std::size_t> hopeless_body(std::vector<Standing> const& all, SteadyTime now,
                                         milliseconds body_timeout) {
  double const limit = std::chrono::duration<double>(body_timeout).count();
  std::optional<std::size_t> victim;
  double slowest = 1;  // of the pace that its body needs to arrive in time
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].phase != Phase::Reading || all[i].claimed == 0) continue;
    if (seconds_of(all[i].since, now) < kSettledSeconds) continue;
    double const share = pace(all[i], now) * limit / static_cast<double>(all[i].claimed);
    if (share >= slowest) continue;
    slowest = share;
    victim = i;
  }
  return victim;
}

}  // namespace ei::http
