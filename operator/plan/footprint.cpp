#include "operator/plan/footprint.hpp"

#include "dispatcher/contract/capacity.hpp"

namespace ei::plan {
namespace {

constexpr std::int64_t kMiB = 1024 * 1024;

// The program with its libraries (30 MiB), frames of jobs on their way to workers, and answers under way.
constexpr std::int64_t kProgramMib = 160;
// Pictures that wait or that workers hold: four times what 1,000 ordinary photographs (128 KiB) take; the
// dispatcher's own default.
constexpr std::int64_t kQueueMib = 512;
// Twenty-five of the largest pictures at a time, or 2,000 ordinary ones.
constexpr std::int64_t kUploadMib = 256;
constexpr std::int64_t kGrpcMib = dispatcher::kGrpcBytes / kMiB;
// Measured: 6 kB idle, 12 kB while a request waits, 30 kB within a header of 15 kB,
// 33 kB with 16 KiB sent ahead.
constexpr std::int64_t kConnectionBytes = 32 * 1024;
// Measured: 71 kB for one that has only connected, 79 kB at most: records both ways,
// and the state of a session.
constexpr std::int64_t kTlsBytes = 96 * 1024;
// As many workers as a service may have.
constexpr std::int64_t kLinks = 1000;
constexpr std::int64_t kStepMib = 64;

}  // namespace

Footprint dispatcher_footprint(int queue_capacity, bool tls) {
  Footprint out;
  out.connections =
      static_cast<std::int64_t>(dispatcher::max_connections_for(static_cast<std::size_t>(queue_capacity)));
  out.queue_bytes = kQueueMib * kMiB;
  out.upload_bytes = kUploadMib * kMiB;
  std::int64_t const tls_bytes = tls ? (out.connections + kLinks) * kTlsBytes : 0;
  std::int64_t const connections_mib = (out.connections * kConnectionBytes + tls_bytes + kMiB - 1) / kMiB;
  // Under TLS there is no gRPC.
  std::int64_t const sum = kProgramMib + kQueueMib + kUploadMib + (tls ? 0 : kGrpcMib) + connections_mib;
  out.memory_mib = (sum + kStepMib - 1) / kStepMib * kStepMib;
  return out;
}

std::string quantity_of_mib(std::int64_t mib) {
  return mib % 1024 == 0 ? std::to_string(mib / 1024) + "Gi" : std::to_string(mib) + "Mi";
}

}  // namespace ei::plan
