#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.hpp"

namespace ei::bench {

/// Who plays: the policies of this repository, models of what others have, and programs of the caller's.
enum class Contestant {
  Latency,
  QueueRatio,
  Hpa70,
  Hpa90,
  Kpa,
  Keda,
  Planner,
  LatencyPrometheus15s,  ///< our policy, told by a Prometheus that scrapes every 15 s
  RayServe,
  Program,  ///< answers each snapshot; see operator/scaling/exchange.hpp
};

/// "Program" is no name of one: those have their own.
std::string_view name(Contestant contestant);

struct Player {
  Contestant contestant{};
  std::string own_name{};  ///< of a Program alone
  std::string command{};   ///< of a Program alone, for /bin/sh
  /// An interpreter with its libraries takes long to load from a slow disk. Any other decision that takes
  /// longer than some intervals would be of no use to a service.
  std::chrono::milliseconds first_answer{60'000};
  std::chrono::milliseconds answer{10'000};

  std::string_view name() const {
    return contestant == Contestant::Program ? std::string_view(own_name) : bench::name(contestant);
  }
};

/// Programs that play in one comparison; a plot with more lines shows nothing.
inline constexpr std::size_t kMostPrograms = 8;

/// Reads `name=command` of each; `deadline` is for each of their answers, 0 for the usual ones. Errors:
/// Invalid, with the word and what is allowed.
Result<std::vector<Player>> read_programs(std::vector<std::string> const& words,
                                          std::chrono::milliseconds deadline);

}  // namespace ei::bench
