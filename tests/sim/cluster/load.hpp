#pragma once

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"
#include "tests/sim/api/server.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace ei::sim {

/// Requests to the services, their queues, and what their dispatchers' metrics say of it.
class Load {
 public:
  explicit Load(ApiServer& api) : api_(api) {}

  double arrivals_rps = 0;                       ///< to each service
  double worker_rps = 10;                        ///< what one worker computes
  bool answers = true;                           ///< whether dispatchers give their metrics
  static constexpr int kQueueBound = 1000;       ///< spec.dispatcher.queueCapacity's default
  static constexpr double kTimeoutSeconds = 30;  ///< spec.dispatcher.requestTimeout's default

  void step(SteadyTime now);
  /// Whose dispatcher has or had this URL; empty where none ever did.
  std::string service_at(std::string const& url) const;
  /// The exposition of the dispatcher at this URL. Errors: Unavailable where none answers.
  Result<std::string> scrape(std::string const& url) const;
  /// Whether other requests have come to the dispatcher at this URL than the asker knows of, or any waits.
  /// Errors: Unavailable where none answers.
  Result<bool> has_more(std::string const& url, std::uint64_t known) const;

  /// One request more comes to each service. How many time out is counted anew from here on.
  void knock();
  /// Requests to that service that nobody took in time since the last knock.
  int unanswered(std::string const& service) const;

 private:
  struct Queue {
    double waiting = 0;
    double oldest_seconds = 0;
    int unanswered = 0;
    int workers = 0;
    int dispatchers = 0;
  };
  struct Dispatcher {
    std::string service;
    double arrivals = 0;     ///< since its container started
    double completions = 0;  ///< likewise
  };
  ApiServer& api_;
  std::map<std::string, Queue> queues_;            ///< by service
  std::map<std::string, Dispatcher> dispatchers_;  ///< the ready ones, by the address of their metrics
  std::map<std::string, std::string> known_;       ///< services of all that ever were, likewise
  SteadyTime stepped_{};
};

}  // namespace ei::sim
