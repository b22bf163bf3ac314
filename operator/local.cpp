#include "operator/local.hpp"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <iostream>

#include "operator/backend/local/cores.hpp"
#include "operator/backend/local/local_backend.hpp"
#include "operator/backend/local/token.hpp"
#include "operator/check.hpp"
#include "operator/metrics_server.hpp"
#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/program.hpp"
#include "runtime/process/signals.hpp"

namespace ei {
namespace {

namespace fs = std::filesystem;

/// Runs until a signal comes: then ends everything in the order that loses nothing. A second signal kills.
boost::asio::awaitable<void> run_local(backend::local::LocalBackend& backend,
                                       reconcile::Reconciler& reconciler, process::Signals& signals) {
  auto const executor = co_await boost::asio::this_coro::executor;
  TaskGroup tasks(executor, log::failed_task);
  tasks.spawn("signals", [&]() -> boost::asio::awaitable<void> {
    int const first = co_await signals.next();
    if (first == 0) co_return;
    log::info("stopping", {{"signal", first}});
    reconciler.stop();
    int const second = co_await signals.next();
    if (second == 0) co_return;
    log::warn("killing", {{"signal", second}});
    backend.abort();
  });
  auto const ended = co_await reconciler.run();
  if (!ended) log::error("reconciler_ended", {{"error", ended.error().message}});
  co_await backend.stop();
  log::info("stopped");
  co_await tasks.stop();
}

backend::local::Settings local_settings(Flags const& flags, fs::path run_dir) {
  backend::local::Settings settings;
  std::error_code wrong;
  settings.programs =
      flags.bin_dir.empty() ? fs::read_symlink("/proc/self/exe", wrong).parent_path() : flags.bin_dir;
  settings.run_dir = std::move(run_dir);
  settings.address = flags.address;
  settings.dispatcher_port = flags.dispatcher_port;
  settings.drain_timeout = flags.drain_timeout;
  settings.log_level = log::to_string(flags.log_level);
  settings.allowed = flags.allowed;
  return settings;
}

/// What a person at the terminal sees.
struct Terminal {
  bool table = false;
  fs::path log_file;                 ///< empty: standard error
  std::vector<std::string> skipped;  ///< documents of the manifests that are for others
};

show::ReporterOptions reporter_options(Flags const& flags, Terminal const& terminal,
                                       Environment const& environment) {
  show::ReporterOptions options;
  options.status_json = flags.status_json;
  options.decision_log = flags.decision_log;
  if (!terminal.table) return options;
  options.screen.emplace(STDOUT_FILENO, environment("NO_COLOR").empty() && environment("TERM") != "dumb");
  options.title = "Elastic Inference on this machine";
  options.footer = "Ctrl-C ends it";
  if (!terminal.log_file.empty()) options.footer += "; log: " + terminal.log_file.string();
  for (auto const& document : terminal.skipped) options.footer += "; " + document;
  return options;
}

boost::asio::awaitable<int> serve_local(Flags const& flags, show::ReporterOptions reporting,
                                        reconcile::Options options, fs::path run_dir) {
  auto const executor = co_await boost::asio::this_coro::executor;
  process::Signals signals(executor);
  Common common(executor, std::move(reporting), flags);
  if (auto const started = common.reporter.start(); !started) co_return fail(started.error().message);
  auto const server = make_server(executor, flags.address, flags.metrics_port.value_or(0), common.registry,
                                  [] { return std::string(); });
  if (auto const started = start_servers(*server, nullptr, common.page.get(), flags.ports_file); !started)
    co_return fail(started.error().message);
  if (common.page) {
    common.reporter.add_to_footer("live page: http://" + flags.page_address + ":" +
                                  std::to_string(common.page->port()) + "/");
  }
  backend::local::LocalBackend backend(executor, local_settings(flags, run_dir), flags.local, forward);
  reconcile::Reconciler reconciler(executor, backend, common.metrics, common.listener(), std::move(options));
  common.metrics.leader(true);  // nobody else is here
  co_await run_local(backend, reconciler, signals);
  common.reporter.finish();
  co_await server->drain(milliseconds(0));
  if (common.page) co_await common.page->stop();
  co_return 0;
}

}  // namespace

int local_main(Flags const& flags, Environment const& environment) {
  auto const checked = check_manifests(flags.local, flags.allowed);
  for (auto const& error : checked.errors) std::cerr << error << "\n";
  // While it runs the log and the table tell these.
  if (flags.once || !checked.errors.empty()) {
    for (auto const& document : checked.skipped) std::cerr << document << "\n";
  }
  if (!checked.errors.empty()) return 1;
  if (flags.once) {
    print_plan(checked, static_cast<int>(backend::local::usable_cores().size()), std::cout);
    return 0;
  }
  auto options = reconcile_options(flags, environment);
  if (!options) return fail(options.error().message);
  auto const settings = local_settings(flags, {});
  for (auto const* program : {"inference-dispatcher", "inference-worker"}) {
    auto const path = settings.programs / program;
    if (access(path.c_str(), X_OK) != 0)
      return fail(path.string() + " is needed and cannot be run; see --bin-dir");
  }
  std::error_code wrong;
  auto const run_dir = backend::local::make_run_dir(fs::temp_directory_path(wrong));
  if (!run_dir) return fail(run_dir.error().message);

  // Standard output is the table's or the decisions'.
  bool const table = isatty(STDOUT_FILENO) == 1 && !flags.no_table && flags.decision_log != "-";
  auto log_file = flags.log_file;
  // Log lines would run through the table.
  if (table && log_file.empty() && isatty(STDERR_FILENO) == 1) log_file = *run_dir / "operator.log";
  if (!log_file.empty()) {
    if (auto const opened = log_to(log_file); !opened) return fail(opened.error().message);
  }
  auto reporting = reporter_options(flags, {table, log_file, checked.skipped}, environment);
  // Its timers, sockets and children all belong to this one thread.
  boost::asio::io_context context(1);
  int const code =
      process::run_to_end(context, serve_local(flags, std::move(reporting), std::move(*options), *run_dir));
  if (code == 0) fs::remove_all(*run_dir, wrong);  // else the log in it tells why
  return code;
}

}  // namespace ei
