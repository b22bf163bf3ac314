#pragma once

#include "operator/backend/kube/client/access.hpp"
#include "operator/backend/kube/client/exec_credential.hpp"
#include "runtime/core/result.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>

namespace ei::kube {

/// Runs the plugin with our environment, its own and `info`, within 60 s; its standard error is ours.
/// Errors: NotFound (no such program, with the install hint), Unavailable (exit status), Timeout, Protocol.
boost::asio::awaitable<Result<ExecCredential>> run_exec_plugin(ExecPlugin plugin, std::string info);

}  // namespace ei::kube
