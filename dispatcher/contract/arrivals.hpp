// How the operator learns at once of the first request of a service without workers: on the port of the
// metrics it asks each dispatcher for arrivals beyond those that it knows of. The answer waits for them.
#pragma once

#include <cstddef>

#include "runtime/core/units.hpp"

namespace ei::dispatcher::arrival {

/// GET: 200 once more requests have arrived than `known`, or any waits; 204 after `wait_ms` without.
inline constexpr char const* kPath = "/arrivals";
inline constexpr char const* kKnown = "known";
inline constexpr char const* kWait = "wait_ms";
/// A parameter of /metrics: why no worker comes, in a word of letters, for the clients that none came for.
inline constexpr char const* kNoWorker = "no_worker";
/// ImagePullBackOff and its like.
inline constexpr std::size_t kMostNoWorker = 40;
/// Of one answer: what a proxy or a firewall in between still takes for alive.
inline constexpr milliseconds kLongestWait{60'000};

}  // namespace ei::dispatcher::arrival
