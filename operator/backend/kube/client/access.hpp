#pragma once

#include "runtime/core/result.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ei::kube {

/// PEM text, or the file it is read from (again and again, since it may be rotated). Both empty: none.
struct PemSource {
  std::string text;
  std::filesystem::path path;

  bool empty() const { return text.empty() && path.empty(); }
  bool operator==(PemSource const&) const = default;
};

struct StaticToken {
  std::string token;
  bool operator==(StaticToken const&) const = default;
};

struct TokenFile {
  std::filesystem::path path;
  bool operator==(TokenFile const&) const = default;
};

/// A program that prints a client.authentication.k8s.io/v1 ExecCredential.
struct ExecPlugin {
  std::string api_version;
  std::string command;
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  ///< added to ours
  bool provide_cluster_info = false;
  std::string install_hint;

  bool operator==(ExecPlugin const&) const = default;
};

/// How to reach one API server, and as whom.
struct Access {
  std::string server;  ///< https://host:port, perhaps with a path before /api
  PemSource ca;        ///< empty: the system's store
  std::string tls_server_name;
  bool insecure_skip_tls_verify = false;
  PemSource client_certificate;
  PemSource client_key;
  std::variant<std::monostate, StaticToken, TokenFile, ExecPlugin> token;
  std::string namespace_name = "default";

  bool operator==(Access const&) const = default;
};

/// A pod's own access: the service account's files in `directory` and the address that the kubelet puts into
/// KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
/// Errors: Invalid, saying how to run the program elsewhere, when the address or the token file is missing.
Result<Access> in_cluster_access(
    std::string_view host, std::string_view port,
    std::filesystem::path const& directory = "/var/run/secrets/kubernetes.io/serviceaccount");

/// Reads and merges kubeconfig files as kubectl does: the first file that names a thing wins, missing files
/// of the list are skipped, relative paths are relative to their file. `context` overrides current-context.
/// Errors: Invalid or NotFound, naming the file, the entry and what to change; also for what is not supported
/// here (proxy-url, basic auth, auth-provider, impersonation).
Result<Access> kubeconfig_access(std::vector<std::filesystem::path> const& files,
                                 std::optional<std::string> const& context = std::nullopt);

/// The paths of a $KUBECONFIG value, separated by colons; empty ones are dropped.
std::vector<std::filesystem::path> split_kubeconfig_list(std::string_view list);

}  // namespace ei::kube
