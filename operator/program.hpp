// What the programs of this machine and of a cluster share: where the log goes, and how they report.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "operator/flags.hpp"
#include "operator/page/page.hpp"
#include "operator/reconcile/metrics.hpp"
#include "operator/reconcile/reconciler.hpp"
#include "operator/show/reporter.hpp"
#include "runtime/core/result.hpp"
#include "runtime/metrics/registry.hpp"

namespace ei {

/// A variable of the environment, empty where it is not set. main() alone reads it.
using Environment = std::function<std::string(char const* name)>;

/// Says why the program ends, on standard error; gives its exit code.
int fail(std::string const& message);

/// Log lines go to the end of `file`. Errors: Io.
[[nodiscard]] Result<void> log_to(std::filesystem::path const& file);
/// Passes on a line of a child process to where the log goes, in one write, so that lines do not mix.
void forward(std::string_view line);

/// Errors: Invalid, an address of a Prometheus that is none.
[[nodiscard]] Result<reconcile::Options> reconcile_options(Flags const& flags,
                                                           Environment const& environment);

/// What both backends have: metrics, a server for them, somebody who tells what happens, and the live page
/// where it is asked for.
struct Common {
  Common(boost::asio::any_io_executor executor, show::ReporterOptions options, Flags const& flags);

  /// Who hears of what the reconciler does. It must not outlive this.
  [[nodiscard]] reconcile::Listener listener();

  metrics::Registry registry;
  reconcile::OperatorMetrics metrics;
  show::Reporter reporter;
  std::unique_ptr<page::Page> page;  ///< null: there is none
};

}  // namespace ei
