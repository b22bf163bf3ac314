#pragma once

#include "operator/backend/kube/client/access.hpp"
#include "runtime/core/result.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace ei::kube {

/// One or several kubeconfig files, read but not yet resolved. What is unsupported is
/// only an error once it is used.
struct Kubeconfig {
  struct Cluster {
    std::string server;
    PemSource ca;
    std::string tls_server_name;
    bool insecure_skip_tls_verify = false;
    std::string unsupported;     ///< why this entry cannot be used; empty when it can
    std::filesystem::path file;  ///< that has the entry; empty when it is not known
  };
  struct User {
    PemSource client_certificate;
    PemSource client_key;
    std::variant<std::monostate, StaticToken, TokenFile, ExecPlugin> token;
    std::string unsupported;
    std::filesystem::path file;
  };
  struct Context {
    std::string cluster;
    std::string user;
    std::string namespace_name;
  };

  std::string current_context;
  std::map<std::string, Cluster, std::less<>> clusters;
  std::map<std::string, User, std::less<>> users;
  std::map<std::string, Context, std::less<>> contexts;
};

/// Reads one file's YAML; relative paths in it start at `directory`. Errors: Invalid, naming the faulty part.
Result<Kubeconfig> parse_kubeconfig(std::string_view text, std::filesystem::path const& directory);

/// Adds what `into` does not have yet.
void merge_kubeconfig(Kubeconfig& into, Kubeconfig const& next);

/// The access that a context names. Errors: Invalid, NotFound (context, cluster or user).
Result<Access> resolve_access(Kubeconfig const& config, std::optional<std::string> const& context);

}  // namespace ei::kube
