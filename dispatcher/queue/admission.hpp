// Whether a valid request may enter, and what a refused client is told. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "dispatcher/queue/request_queue.hpp"

namespace ei::dispatcher {

enum class RefusalReason {
  Draining,  ///< this dispatcher is leaving: 503
  TooLarge,  ///< more than the whole queue may hold, so waiting cannot help: 413
  Full,      ///< 429
};

struct Refusal {
  RefusalReason reason{};
  std::chrono::seconds retry_after{0};  ///< [1, 60] for Full and Draining, 0 for TooLarge
  bool operator==(Refusal const&) const = default;
};

/// Mean and coefficient of variation of the recent service times, each from the hand-out to the answer, waits
/// in the worker included: for a client and for the next hand-out it takes as long. An exponentially weighted
/// mean over about the last 32 completions, quick enough to follow a change of model or batch and steady
/// enough for an estimate.
class ServiceEstimate {
 public:
  void add(double seconds);
  [[nodiscard]] std::optional<double> mean_seconds() const;  ///< none before the first completion
  [[nodiscard]] double variation() const;                    ///< standard deviation over mean, >= 0

 private:
  double mean_ = 0;
  double mean_square_ = 0;
  bool any_ = false;
};

/// What is offered: `requests` pictures that are taken together or not at all, `bytes` in all.
struct Offer {
  std::size_t requests = 1;
  std::size_t bytes = 0;
};

/// None when the offer may enter the queue now.
[[nodiscard]] std::optional<Refusal> consider(Offer const& offer, RequestQueue const& queue, bool draining,
                                              ServiceEstimate const& service, std::size_t workers);

/// The longest wait that still meets a latency target: max(0.98·target − S·(1 + 0.7·c), 0.05·target). `S` and
/// `c` are the service time's mean and variation: a service time is rarely over S·(1 + 0.7c), 2 % stay for
/// the network, and 5 % keep the late lane meaningful where the service alone exceeds the target.
[[nodiscard]] Duration longest_punctual_wait(Duration target, ServiceEstimate const& service);

}  // namespace ei::dispatcher
