// Where the two programs listen unless a flag says otherwise. The images expose these ports, and the operator
// connects to them.
#pragma once

#include <cstdint>

namespace ei::dispatcher {

inline constexpr std::uint16_t kHttpPort = 8001;
inline constexpr std::uint16_t kLinkPort = 8002;
inline constexpr std::uint16_t kGrpcPort = 8003;
inline constexpr std::uint16_t kMetricsPort = 9000;
/// The worker's, another than the dispatcher's: both may run on one machine.
inline constexpr std::uint16_t kWorkerMetricsPort = 9001;

}  // namespace ei::dispatcher
