#include "bench/sim/foresight.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "operator/simulation/outcome.hpp"
#include "operator/simulation/scalers.hpp"

namespace ei::bench {
namespace {

/// What the servers are doing at the beginning of a second, and which request is next.
struct Moment {
  std::size_t next_request = 0;
  long late = 0;                   ///< so far
  std::vector<double> busy_until;  ///< of each server in service, ascending

  bool same_future(Moment const& other, double at_seconds) const {
    if (next_request != other.next_request || busy_until.size() != other.busy_until.size()) return false;
    for (std::size_t i = 0; i < busy_until.size(); ++i) {
      if (std::max(busy_until[i], at_seconds) != std::max(other.busy_until[i], at_seconds)) return false;
    }
    return true;
  }
};

/// First come, first served on a number of servers that changes each second; a request that would be late
/// is left out.
class Timeline {
 public:
  Timeline(Scenario const& scenario, std::size_t length)
      : target_seconds_(in_seconds(scenario.latency_target)), length_(length) {
    for (Time const at : scenario.arrivals) arrival_seconds_.push_back(in_seconds(at.time_since_epoch()));
    for (Duration const service : scenario.service) service_seconds_.push_back(in_seconds(service));
    moments_.resize(length + 1);
  }

  std::size_t length() const { return length_; }

  /// Late requests under `serving`, which is `known` but for [from, to). Remembers the
  /// moments when `keep` is set.
  long late(std::vector<int> const& serving, std::size_t from, std::size_t to, bool keep) {
    Moment moment = moments_[from];
    for (std::size_t second = from; second < length_; ++second) {
      if (second >= to && second > from &&
          moment.same_future(moments_[second], static_cast<double>(second))) {
        return finish_early(moment, second, keep);
      }
      if (keep) moments_[second] = moment;
      resize(moment, static_cast<std::size_t>(serving[second]), static_cast<double>(second));
      serve_until(moment, static_cast<double>(second + 1));
    }
    // After the trace the minimum serves on; what is then still waiting is counted by the same rule.
    Moment rest = moment;
    serve_until(rest, 1e18);
    if (keep) {
      moments_[length_] = moment;
      total_late_ = rest.late;
    }
    return rest.late;
  }

 private:
  long finish_early(Moment const& moment, std::size_t second, bool keep) {
    long const difference = moment.late - moments_[second].late;
    if (keep && difference != 0) {
      for (std::size_t i = second; i <= length_; ++i) moments_[i].late += difference;
    }
    long const total = total_late_ + difference;
    if (keep) total_late_ = total;
    return total;
  }

  /// Those that are free first, then those that will be free first, leave; new ones are free.
  static void resize(Moment& moment, std::size_t servers, double now_seconds) {
    auto& busy = moment.busy_until;
    while (busy.size() > servers) busy.erase(busy.begin());
    while (busy.size() < servers)
      busy.insert(std::lower_bound(busy.begin(), busy.end(), now_seconds), now_seconds);
  }

  void serve_until(Moment& moment, double end_seconds) const {
    auto& busy = moment.busy_until;
    while (moment.next_request < arrival_seconds_.size()) {
      std::size_t const i = moment.next_request;
      double const begin = std::max(arrival_seconds_[i], busy.front());
      if (begin >= end_seconds) return;
      ++moment.next_request;
      double const finished = begin + service_seconds_[i];
      if (finished - arrival_seconds_[i] > target_seconds_) {
        ++moment.late;
        continue;
      }
      // The server that was free first takes it and moves to its place in the order.
      std::size_t place = 0;
      for (; place + 1 < busy.size() && busy[place + 1] < finished; ++place) busy[place] = busy[place + 1];
      busy[place] = finished;
    }
  }

  double target_seconds_;
  std::size_t length_;
  std::vector<double> arrival_seconds_;
  std::vector<double> service_seconds_;
  std::vector<Moment> moments_;
  long total_late_ = 0;
};

/// Workers to be allocated so that `serving[k]` serve in second k: those that start are
/// there the start delay before.
int allocated_at(std::vector<int> const& serving, std::size_t second, std::size_t start_seconds) {
  std::size_t const end = std::min(serving.size(), second + start_seconds + 1);
  int most = 0;
  for (std::size_t i = second; i < end; ++i) most = std::max(most, serving[i]);
  return most;
}

class Search {
 public:
  Search(Scenario const& scenario)
      : timeline_(scenario, static_cast<std::size_t>(std::ceil(in_seconds(scenario.trace_length)))),
        minimum_(std::max(1, scenario.min_replicas)),
        maximum_(std::max(minimum_, scenario.max_replicas)),
        start_seconds_(static_cast<std::size_t>(std::ceil(in_seconds(scenario.start_delay)))),
        serving_(timeline_.length(), maximum_) {
    for (std::size_t i = 0; i < std::min(start_seconds_, serving_.size()); ++i) serving_[i] = minimum_;
    late_ = timeline_.late(serving_, 0, serving_.size(), true);
  }

  /// Coordinate descent on allocated core-seconds + price · late requests, over blocks of seconds.
  void descend(double price) {
    constexpr int kMostPasses = 8;
    for (int pass = 0; pass < kMostPasses; ++pass) {
      bool improved = false;
      for (std::size_t const block : {64U, 32U, 16U, 8U, 4U, 2U, 1U}) {
        for (std::size_t from = start_seconds_; from < serving_.size();
             from += std::max<std::size_t>(1, block / 2)) {
          for (int const change : {-1, 1})
            improved |= try_change(from, std::min(from + block, serving_.size()), change, price);
        }
      }
      if (!improved) return;
    }
  }

  long late() const { return late_; }
  int cost() const { return cost(0, serving_.size()); }
  std::vector<int> const& serving() const { return serving_; }
  std::vector<int> plan() const {
    std::vector<int> counts;
    for (std::size_t i = 0; i < serving_.size(); ++i)
      counts.push_back(allocated_at(serving_, i, start_seconds_));
    counts.push_back(minimum_);
    return counts;
  }

 private:
  int cost(std::size_t from, std::size_t to) const {
    int sum = 0;
    for (std::size_t i = from; i < to; ++i) sum += allocated_at(serving_, i, start_seconds_);
    return sum;
  }

  bool try_change(std::size_t from, std::size_t to, int change, double price) {
    if (change > 0 && late_ == 0) return false;
    auto const begin = serving_.begin() + static_cast<std::ptrdiff_t>(from);
    auto const end = serving_.begin() + static_cast<std::ptrdiff_t>(to);
    // Changed in place and put back: a copy of the whole plan for each try would cost more than the try.
    std::size_t const cost_from = from > start_seconds_ ? from - start_seconds_ : 0;
    int const cost_before = cost(cost_from, to);
    before_.assign(begin, end);
    for (auto each = begin; each != end; ++each) *each = std::clamp(*each + change, minimum_, maximum_);
    if (std::equal(begin, end, before_.begin())) return false;
    int const saved = cost_before - cost(cost_from, to);
    long const late = timeline_.late(serving_, from, to, false);
    if (saved + price * static_cast<double>(late_ - late) <= 1e-9) {
      std::copy(before_.begin(), before_.end(), begin);
      return false;
    }
    late_ = timeline_.late(serving_, from, to, true);
    return true;
  }

  Timeline timeline_;
  int minimum_;
  int maximum_;
  std::size_t start_seconds_;
  std::vector<int> serving_;
  std::vector<int> before_;  // a try's seconds as they were
  long late_ = 0;
};

}  // namespace

std::vector<int> search_plan(Scenario const& scenario, double late_ratio) {
  auto const allowed = static_cast<long>(late_ratio * static_cast<double>(scenario.arrivals.size()));
  // The price of a late request, in core-seconds, at which the cheapest plan has just as many as are allowed.
  double low = 0.001;
  double high = 64;
  std::vector<int> best;
  int best_cost = 0;
  for (int round = 0; round < 8; ++round) {
    double const price = round == 0 ? high : std::sqrt(low * high);
    Search search(scenario);
    search.descend(price);
    bool const acceptable = search.late() <= allowed;
    if (best.empty() || (acceptable && search.cost() < best_cost)) {
      best = search.plan();
      best_cost = search.cost();
    }
    if (round > 0) (acceptable ? high : low) = price;
  }
  return best;
}

std::vector<int> foreseen_plan(Scenario const& scenario, double late_ratio) {
  constexpr int kTries = 5;
  double low = 0.2 * late_ratio;
  double high = 1.2 * late_ratio;
  double asked = 0.8 * late_ratio;
  std::vector<int> best;
  Summary best_summary;
  for (int i = 0; i < kTries; ++i) {
    std::vector<int> plan = search_plan(scenario, asked);
    Summary const summary = summarize(simulate(scenario, plan_scaler(plan, true)), scenario.latency_target);
    bool const good = summary.late_ratio <= late_ratio;
    // Over three times too many: not even the maximum carries the load, and no other search would help.
    if (i == 0 && summary.late_ratio > 3 * late_ratio) return plan;
    bool const best_is_good = !best.empty() && best_summary.late_ratio <= late_ratio;
    bool const better = good ? !best_is_good || summary.core_seconds < best_summary.core_seconds
                             : !best_is_good && summary.late_ratio < best_summary.late_ratio;
    if (best.empty() || better) {
      best = std::move(plan);
      best_summary = summary;
    }
    (good ? low : high) = asked;
    asked = (low + high) / 2;
  }
  return best;
}

}  // namespace ei::bench
