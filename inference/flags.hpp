#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dispatcher/contract/ports.hpp"
#include "inference/service/links.hpp"
#include "inference/service/standby.hpp"
#include "inference/service/worker.hpp"
#include "runtime/log/log.hpp"

namespace ei::inference {

struct Flags {
  std::string address = "0.0.0.0";
  std::optional<std::uint16_t> port;  ///< none: no HTTP of its own but metrics and probes
  std::uint16_t metrics_port = dispatcher::kWorkerMetricsPort;
  std::vector<DispatcherName> dispatchers;
  std::string name;  ///< none: main() takes the host's
  std::string model_name = "resnet18";
  std::string model_uri = "builtin://shapes";  ///< without what --model-uri-query-file adds
  LoadOptions load;                            ///< cache_dir empty: main() chooses
  std::string token_file;
  std::string former_token_file;
  std::string dispatcher_ca;
  std::string ports_file;
  milliseconds drain_timeout{30'000};
  milliseconds job_limit{0};
  StandbyOptions standby;
  log::Level log_level = log::Level::Info;
  std::vector<std::string> classify;  ///< not empty: classify these files and end
};

/// The process ends here with this exit code: --help was printed (0), or what is wrong (2).
struct Exit {
  int code = 0;
};

[[nodiscard]] std::variant<Flags, Exit> parse_flags(int argc, char** argv);

}  // namespace ei::inference
