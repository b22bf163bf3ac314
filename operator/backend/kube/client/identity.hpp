#pragma once

#include "operator/backend/kube/client/access.hpp"
#include "operator/backend/kube/client/exec_credential.hpp"
#include "operator/backend/kube/client/reloading_file.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/tls.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string>

namespace ei::kube {

/// Who we are to the API server and whom we trust, at one moment.
struct IdentitySnapshot {
  http::TlsClientOptions tls;
  std::string bearer_token;  ///< empty: none. Never to be logged.
};

/// Keeps an Access's secrets fresh: files are read again, plugins run again before their credential expires.
class Identity {
 public:
  explicit Identity(Access access);

  /// Errors: those of the files and of the plugin.
  boost::asio::awaitable<Result<IdentitySnapshot>> current();

  /// The server answered 401 to a request with this snapshot: everything is read anew at the next call,
  /// unless that has happened meanwhile.
  void rejected(IdentitySnapshot const& snapshot);

 private:
  boost::asio::awaitable<Result<std::string>> token(http::TlsClientOptions& tls);
  boost::asio::awaitable<Result<void>> refresh_plugin(ExecPlugin const& plugin, std::string const& ca_pem);

  Access access_;
  ReloadingFile ca_;
  ReloadingFile certificate_;
  ReloadingFile key_;
  ReloadingFile token_;
  std::optional<ExecCredential> credential_;
  bool plugin_runs_ = false;
  std::shared_ptr<Timer> plugin_done_;  ///< cancelled when the plugin has ended
};

}  // namespace ei::kube
