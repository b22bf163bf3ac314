#pragma once

#include <cstdint>
#include <string>

namespace ei::plan {

/// What a dispatcher may hold, and the memory that this takes at most.
struct Footprint {
  std::int64_t connections = 0;
  std::int64_t queue_bytes = 0;   ///< of pictures that wait or that workers hold
  std::int64_t upload_bytes = 0;  ///< of bodies on their way in
  std::int64_t memory_mib = 0;    ///< all of it and the program itself, in whole 64 MiB
  bool operator==(Footprint const&) const = default;
};

/// Of a dispatcher whose queue has that capacity:
/// memory = 160 MiB + 512 MiB of pictures that wait or that workers hold + 256 MiB of bodies + 64 MiB of gRPC
/// + 32 KiB for each connection, with capacity + capacity / 4 + 1024 connections; with TLS no gRPC, and 96
/// KiB more for each connection and each of 1,000 links. Pure.
[[nodiscard]] Footprint dispatcher_footprint(int queue_capacity, bool tls = false);

/// `1Gi`, `4928Mi`: as the API server writes it, which never changes what is applied.
[[nodiscard]] std::string quantity_of_mib(std::int64_t mib);

}  // namespace ei::plan
