#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "dispatcher/queue/batcher.hpp"
#include "dispatcher/queue/request_queue.hpp"
#include "runtime/core/units.hpp"
#include "runtime/log/log.hpp"

namespace ei::dispatcher {

struct Flags {
  std::string address = "0.0.0.0";
  std::uint16_t port = 8001;
  std::uint16_t metrics_port = 9000;
  std::uint16_t link_port = 8002;
  std::optional<int> http_fd;  ///< a listening socket that was handed down, instead of the port; and so on
  std::optional<int> metrics_fd;
  std::optional<int> link_fd;
  std::string model = "resnet18";
  QueueLimits queue{};
  BatchLimits batch{};
  milliseconds latency_target{0};
  milliseconds request_timeout{30'000};
  milliseconds shutdown_delay{0};
  milliseconds drain_timeout{30'000};
  milliseconds header_timeout{10'000};
  milliseconds body_timeout{30'000};
  std::string token_file;
  std::string ports_file;
  log::Level log_level = log::Level::Info;
};

/// The process ends here with this exit code: --help was printed (0), or what is wrong (2).
struct Exit {
  int code = 0;
};

[[nodiscard]] std::variant<Flags, Exit> parse_flags(int argc, char** argv);

}  // namespace ei::dispatcher
