#include "bench/sim/bound.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

// The model is a linear program over the trace's slots k of a quarter of a second, which is here the unit of
// time. w(k) is the work that arrives in slot k, r(k) what may be unfinished at its end of requests that will
// still be punctual: of each, what one worker can do until its target. s(k) are workers that serve, a(k)
// workers that are paid for, b(k) is the unfinished work at the end,
// d(i) the share of request i that is given up:
//
//   minimise Σ a(k)   where   b(k) ≥ b(k−1) + w(k) − Σ d(i)·service(i) − s(k),   0 ≤ b(k) ≤ r(k),
//                             a(k) ≥ minimum,  a(k) ≥ s(k), s(k+1), … s(k+F−1),
//                             s(k) ≤ maximum,  Σ d(i) ≤ allowed
//
// with F the whole slots that a start takes. For any prices µ(k) ≥ 0 of the first rows the least value of
// what remains is a lower bound (weak duality), and it falls apart: over b, each difference of neighbouring
// prices by itself; over d, the requests with the largest µ·service are given up; over s and a, each worker
// above the minimum by itself, for which the best slots to serve in are found by dynamic programming. The
// prices are improved by subgradient steps. Stopping early costs tightness, never truth.
namespace ei::bench {
namespace {

/// Half of the usual target: finer ones cost more time than they tighten the bound.
constexpr double kSlotSeconds = 0.25;

class Dual {
 public:
  Dual(Scenario const& scenario, double late_ratio)
      : slots_(static_cast<std::size_t>(in_seconds(scenario.trace_length) / kSlotSeconds)),
        start_(std::max<std::size_t>(
            1, static_cast<std::size_t>(in_seconds(scenario.start_delay) / kSlotSeconds))),
        minimum_(scenario.min_replicas),
        spread_(std::max(0, scenario.max_replicas - scenario.min_replicas)),
        allowed_(static_cast<std::size_t>(late_ratio * static_cast<double>(scenario.arrivals.size()))),
        work_(slots_, 0.0),
        recent_(slots_, 0.0) {
    double const target = in_seconds(scenario.latency_target) / kSlotSeconds;
    for (std::size_t i = 0; i < scenario.arrivals.size(); ++i) {
      double const at = in_seconds(scenario.arrivals[i].time_since_epoch()) / kSlotSeconds;
      double const service = in_seconds(scenario.service[i]) / kSlotSeconds;
      if (at >= static_cast<double>(slots_)) continue;  // its work need not be done within the trace
      auto const slot = static_cast<std::size_t>(at);
      work_[slot] += service;
      requests_.push_back({slot, service});
      for (std::size_t end = slot; end < slots_; ++end) {
        double const left = at + target - static_cast<double>(end + 1);
        if (left <= 0) break;
        recent_[end] += std::min(left, service);
      }
    }
  }

  std::size_t slots() const { return slots_; }

  /// A worker's slot earns what it costs where the mean load of so many slots around is over the minimum,
  /// and nothing where the minimum carries it. With 0 it earns it everywhere: the bound of work alone.
  std::vector<double> first_prices(std::size_t around) const {
    std::vector<double> price(slots_, 1.0);
    for (std::size_t k = 0; around > 0 && k < slots_; ++k) {
      std::size_t const from = k > around / 2 ? k - around / 2 : 0;
      std::size_t const to = std::min(slots_, k + around / 2 + 1);
      double const load = std::accumulate(work_.begin() + static_cast<std::ptrdiff_t>(from),
                                          work_.begin() + static_cast<std::ptrdiff_t>(to), 0.0) /
                          static_cast<double>(to - from);
      if (load < minimum_) price[k] = 0;
    }
    return price;
  }

  /// The bound that these prices prove; `slope` becomes the direction in which it grows.
  double value(std::vector<double> const& price, std::vector<double>& slope) {
    double bound = 0;
    for (std::size_t k = 0; k < slots_; ++k) {
      bound += price[k] * (work_[k] - minimum_) + minimum_;
      slope[k] = work_[k] - minimum_;
      double const next = k + 1 < slots_ ? price[k + 1] : 0;  // what is left at the end need not be done
      if (next >= price[k]) continue;
      bound += recent_[k] * (next - price[k]);
      slope[k] -= recent_[k];
      if (k + 1 < slots_) slope[k + 1] += recent_[k];
    }
    return bound - given_up(price, slope) - spread_ * serve(price, slope);
  }

 private:
  struct Request {
    std::size_t slot;
    double service;
  };

  /// What giving up the dearest requests saves.
  double given_up(std::vector<double> const& price, std::vector<double>& slope) {
    if (allowed_ == 0) return 0;
    auto const worth = [&](Request const& request) { return price[request.slot] * request.service; };
    auto const end = requests_.begin() + static_cast<std::ptrdiff_t>(std::min(allowed_, requests_.size()));
    if (end != requests_.end()) {
      std::nth_element(requests_.begin(), end, requests_.end(),
                       [&](auto const& a, auto const& b) { return worth(a) > worth(b); });
    }
    double saved = 0;
    for (auto each = requests_.begin(); each != end; ++each) {
      saved += worth(*each);
      slope[each->slot] -= each->service;
    }
    return saved;
  }

  /// The most that one worker above the minimum earns: the prices of the seconds in which it serves, less one
  /// for each second that it is paid for. In the first seconds it cannot have started.
  double serve(std::vector<double> const& price, std::vector<double>& slope) {
    // best[k]: until the end of slot k, where serving ended before; serving[k]: it serves in slot k.
    best_.assign(slots_ + 1, 0.0);
    serving_.assign(slots_, 0.0);
    from_.assign(slots_, kOut);
    for (std::size_t k = 0; k < slots_; ++k) {
      serving_[k] = -1e300;
      if (k + 1 >= start_) {
        // It came for this slot, and was paid for from k + 1 − start on.
        double const fresh = best_[k + 1 - start_] - static_cast<double>(start_) + price[k];
        double const stayed = k > 0 && serving_[k - 1] > -1e299 ? serving_[k - 1] - 1 + price[k] : -1e300;
        serving_[k] = std::max(fresh, stayed);
        from_[k] = stayed >= fresh ? kStayed : kFresh;
      }
      best_[k + 1] = std::max(best_[k], serving_[k]);
    }
    for (std::size_t k = slots_; k > 0;) {
      if (best_[k] == best_[k - 1]) {
        --k;
        continue;
      }
      while (true) {
        slope[k - 1] -= spread_;
        if (from_[k - 1] == kFresh) break;
        --k;
      }
      k = k > start_ ? k - start_ : 0;
    }
    return best_[slots_];
  }

  static constexpr char kOut = 0, kFresh = 1, kStayed = 2;
  std::size_t slots_;
  std::size_t start_;
  double minimum_;
  double spread_;
  std::size_t allowed_;
  std::vector<double> work_;
  std::vector<double> recent_;
  std::vector<Request> requests_;
  std::vector<double> best_;
  std::vector<double> serving_;
  std::vector<char> from_;
};

}  // namespace

double least_core_seconds(Scenario const& scenario, double late_ratio) {
  constexpr int kSteps = 250;    // with 4,000 the bounds of the course trace are the same
  constexpr int kPatience = 20;  // steps without a gain before the aim is lowered
  constexpr double kAim = 0.05;  // first aim: so much above the best so far
  Dual dual(scenario, late_ratio);
  std::vector<double> slope(dual.slots());
  std::vector<double> price;
  double first = -1;
  for (std::size_t const around : {0U, 4U, 16U, 64U, 256U}) {
    auto prices = dual.first_prices(around);
    double const bound = dual.value(prices, slope);
    if (bound <= first) continue;
    first = bound;
    price = std::move(prices);
  }
  std::vector<double> best_price = price;
  double best = 0;
  double aim = kAim;
  int waited = 0;
  for (int step = 0; step < kSteps; ++step) {
    double const bound = dual.value(price, slope);
    if (bound > best * (1 + 1e-6)) {
      waited = 0;
    } else if (++waited > kPatience) {
      aim /= 2;
      waited = 0;
      price = best_price;
      continue;
    }
    if (bound > best) {
      best = bound;
      best_price = price;
    }
    double const length = std::inner_product(slope.begin(), slope.end(), slope.begin(), 0.0);
    if (length <= 1e-12) break;
    double const reach = (best * (1 + aim) + 1e-6 - bound) / length;
    for (std::size_t k = 0; k < price.size(); ++k) price[k] = std::max(0.0, price[k] + reach * slope[k]);
  }
  return best * kSlotSeconds;
}

}  // namespace ei::bench
