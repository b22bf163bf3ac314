#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dispatcher/contract/ports.hpp"
#include "operator/api/allowed.hpp"
#include "operator/backend/local/spawn.hpp"
#include "runtime/core/result.hpp"
#include "runtime/http/url.hpp"

namespace ei::backend::local {

/// Where a dispatcher and its workers meet, and where a worker is asked whether it is ready.
inline constexpr char kLoopback[] = "127.0.0.1";

/// How processes of this machine are run; the same for every service.
struct Settings {
  std::filesystem::path programs;   ///< folder with inference-dispatcher and inference-worker
  std::filesystem::path run_dir;    ///< ports files, link tokens; private to the user
  std::string address = kLoopback;  ///< that services listen on
  /// Of the first service's first dispatcher, where it is free; 0: always whatever is free.
  std::uint16_t dispatcher_port = dispatcher::kHttpPort;
  milliseconds drain_timeout{30'000};  ///< at least as long a process may finish its work after SIGTERM
  std::string log_level = "info";
  api::Allowed allowed = api::everything_allowed();
};

/// What a program writes into its ports file once it listens.
struct Ports {
  std::uint16_t http = 0;
  std::uint16_t metrics = 0;
  std::uint16_t link = 0;  ///< dispatchers only
  std::uint16_t grpc = 0;  ///< likewise

  bool operator==(Ports const&) const = default;
};

/// Errors: Invalid (not what a program writes: perhaps half of it).
[[nodiscard]] Result<Ports> parse_ports(std::string_view text);

/// How long a process of this service may finish its work: no less than the oldest request may still wait.
[[nodiscard]] milliseconds drain_timeout(Settings const& settings, api::Spec const& spec);

/// `http://HOST:PORT` of what listens on `address`; of one that stands for every
/// address, the loopback of its family.
[[nodiscard]] http::Url origin(std::string const& address, std::uint16_t port);

/// A dispatcher that is handed down its listening sockets, as Listeners gives them.
[[nodiscard]] Command dispatcher_command(Settings const& settings, api::Spec const& spec,
                                         std::filesystem::path const& token_file,
                                         std::filesystem::path const& ports_file);

/// A worker computes in one thread, so its libraries get no more either. Where the spec has standbys, each
/// may be one and looks into `quota_file`.
[[nodiscard]] Command worker_command(Settings const& settings, api::Spec const& spec, std::string const& name,
                                     std::vector<std::uint16_t> const& links,
                                     std::filesystem::path const& token_file,
                                     std::filesystem::path const& ports_file,
                                     std::filesystem::path const& quota_file);

/// What `quota_file` has for a worker: a core, or what a standby is told by. No process is held to it.
[[nodiscard]] std::string_view quota_of(bool standby);

/// True when a process started by the one command need not be replaced to be what the other asks for: they
/// differ at most in the name, the files of its own and the core.
[[nodiscard]] bool same_template(Command const& running, Command const& wanted);

/// Why this machine cannot run a spec that the API allows, or may not; empty when it can.
[[nodiscard]] std::vector<api::FieldError> local_faults(api::Spec const& spec, api::Allowed const& allowed);

}  // namespace ei::backend::local
