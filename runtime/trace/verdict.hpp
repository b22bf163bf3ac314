// What an OTLP/HTTP answer means for the spans that were sent. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/message.hpp"

namespace ei::trace {

/// Attempts at one batch. This number and the next three are those of OpenTelemetry's RetryPolicy.
inline constexpr int kAttempts = 5;
inline constexpr milliseconds kFirstPause{1'000};
inline constexpr milliseconds kLongestPause{5'000};
inline constexpr double kPauseGrowth = 1.5;
/// Of what a collector may ask for: its slip must not end tracing until the process is replaced.
inline constexpr milliseconds kLongestWish{300'000};

struct Verdict {
  std::uint64_t rejected = 0;  ///< of those that it took otherwise: OTLP's partial success
  std::string fault = {};      ///< for the log; may be there though all were taken
  /// The batch was not taken, and may be sent again after this time. Else it is done with.
  std::optional<milliseconds> again = {};
  bool taken = true;
};

/// `attempt` counts from 1; `chance`, from 0 to 1, spreads the attempts of many senders. 429, 502, 503 and
/// 504 are tried again, and so is a collector that was not reached; its Retry-After counts.
[[nodiscard]] Verdict judge(Result<http::Response> const& answer, int attempt, double chance);

}  // namespace ei::trace
