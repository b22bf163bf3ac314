#pragma once

#include "operator/backend/kube/client/access.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace ei::kube {

/// What a credential plugin gave: a bearer token, a client certificate, or both.
struct ExecCredential {
  std::string token;
  std::string client_certificate_pem;
  std::string client_key_pem;
  std::optional<WallTime> expires;  ///< none: good until the server says 401

  bool operator==(ExecCredential const&) const = default;
};

/// Reads the plugin's output. Errors: Protocol, never with a word of the output in it, for it holds secrets.
Result<ExecCredential> parse_exec_credential(std::string_view output, std::string_view api_version);

/// The value of KUBERNETES_EXEC_INFO for a plugin: an ExecCredential with spec, and
/// the cluster when it wants that.
std::string exec_info(ExecPlugin const& plugin, Access const& access, std::string_view ca_pem);

}  // namespace ei::kube
