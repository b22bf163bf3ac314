#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>

#include "operator/backend/local/local_backend.hpp"
#include "operator/reconcile/reconciler.hpp"
#include "runtime/process/signals.hpp"

namespace ei {

/// The operator on this machine: reconciles until SIGTERM or SIGINT, then ends the processes in order; a
/// second signal ends them at once.
[[nodiscard]] boost::asio::awaitable<void> run_local(backend::local::LocalBackend& backend,
                                                     reconcile::Reconciler& reconciler,
                                                     process::Signals& signals);

}  // namespace ei
