#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dispatcher/contract/capacity.hpp"
#include "dispatcher/contract/picture/inspect.hpp"
#include "dispatcher/contract/ports.hpp"
#include "dispatcher/credential/gate.hpp"
#include "dispatcher/queue/batcher.hpp"
#include "dispatcher/queue/request_queue.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/server_tls.hpp"
#include "runtime/log/log.hpp"
#include "runtime/tls/renewal.hpp"
#include "runtime/trace/exporter.hpp"

namespace ei::dispatcher {

struct Flags {
  std::string address = "0.0.0.0";
  std::uint16_t port = kHttpPort;
  std::uint16_t metrics_port = kMetricsPort;
  std::uint16_t link_port = kLinkPort;
  std::uint16_t grpc_port = kGrpcPort;  ///< 0, as under TLS: no gRPC, unless grpc_fd is given
  std::optional<int> http_fd;  ///< a listening socket that was handed down, instead of the port; and so on
  std::optional<int> metrics_fd;
  std::optional<int> link_fd;
  std::optional<int> grpc_fd;
  std::string model = "resnet18";
  QueueLimits queue{};
  BatchLimits batch{};
  PictureLimits picture{};
  milliseconds latency_target{0};
  milliseconds request_timeout{30'000};
  milliseconds shutdown_delay{0};
  milliseconds drain_timeout{30'000};
  milliseconds header_timeout{10'000};
  milliseconds body_timeout{30'000};
  milliseconds grpc_connection_age{30'000};
  std::optional<std::size_t> max_connections;  ///< none: max_connections_for(the queue's capacity)
  std::optional<std::size_t> max_connections_per_address;  ///< none: seven eighths of the above; 0: no cap
  std::size_t upload_max_bytes = std::size_t{256} << 20;
  std::vector<std::string> cors_allowed_origins;
  tls::Files tls;  ///< no certificate: plain HTTP, and a plain link
  http::ClientAuth tls_client_auth = http::ClientAuth::None;
  GateOptions gate{};
  std::optional<trace::Collector> collector;  ///< where spans go; none: nothing is traced
  double trace_ratio = 1;                     ///< of requests without a traceparent
  trace::Attributes trace_resource;           ///< what is told of this process; only with a collector
  std::string ports_file;
  log::Level log_level = log::Level::Info;
};

/// The process ends here with this exit code: --help was printed (0), or what is wrong (2).
struct Exit {
  int code = 0;
};

[[nodiscard]] std::variant<Flags, Exit> parse_flags(int argc, char** argv);

}  // namespace ei::dispatcher
