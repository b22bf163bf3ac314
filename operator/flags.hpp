#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dispatcher/contract/ports.hpp"
#include "operator/api/allowed.hpp"
#include "runtime/core/units.hpp"
#include "runtime/log/log.hpp"

namespace ei {

struct Flags {
  // Which backend: `local` when there are manifests, else a cluster.
  std::vector<std::filesystem::path> local;
  bool once = false;

  // This machine.
  std::filesystem::path bin_dir;  ///< empty: where this program is
  std::string address = "127.0.0.1";
  std::uint16_t dispatcher_port = dispatcher::kHttpPort;
  milliseconds drain_timeout{30'000};
  std::filesystem::path status_json;
  std::filesystem::path decision_log;
  std::filesystem::path log_file;
  bool no_table = false;

  // A cluster.
  std::filesystem::path kubeconfig;  ///< empty: in the cluster, else $KUBECONFIG, else ~/.kube/config
  std::string context;
  std::vector<std::string> namespaces;
  bool leader_elect = false;
  std::string lease_name = "elastic-inference-operator";
  std::string dispatcher_image;
  std::string worker_image;
  std::vector<std::string> image_pull_secrets;
  std::string priority_class;
  bool no_network_policy = false;
  bool egress_policy = false;
  std::vector<std::string> model_networks;
  std::vector<std::string> collectors;
  bool no_service_monitors = false;

  /// What authors of services may ask for. On this machine, where they are its user, everything.
  api::Allowed allowed;

  std::string prometheus_url;                 ///< empty: $PROMETHEUS_URL
  std::optional<std::uint16_t> metrics_port;  ///< empty: 8080 on a cluster, any on this machine
  std::optional<std::uint16_t> probe_port;    ///< empty: none, the metrics port answers probes too
  std::optional<std::uint16_t> page_port;     ///< of the live page; empty: there is none
  std::string page_address = "127.0.0.1";     ///< where `kubectl port-forward` comes from as well
  std::filesystem::path page_token_file;      ///< empty: it asks for no token
  std::filesystem::path ports_file;
  log::Level log_level = log::Level::Info;
};

/// The process ends here with this exit code: --help was printed (0), or what is wrong (2).
struct Exit {
  int code = 0;
};

[[nodiscard]] std::variant<Flags, Exit> parse_flags(int argc, char** argv);

}  // namespace ei
