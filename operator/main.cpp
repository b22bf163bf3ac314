// inference-operator: keeps InferenceServices running, on a cluster or on this machine.
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>

#include "operator/backend/local/cores.hpp"
#include "operator/backend/local/token.hpp"
#include "operator/check.hpp"
#include "operator/flags.hpp"
#include "operator/kubernetes.hpp"
#include "operator/local.hpp"
#include "operator/serve.hpp"
#include "operator/show/reporter.hpp"
#include "runtime/core/redact.hpp"
#include "runtime/crypto/digest.hpp"
#include "runtime/log/failed_task.hpp"
#include "runtime/process/program.hpp"

namespace {

using namespace ei;
namespace fs = std::filesystem;

constexpr std::uint16_t kClusterMetricsPort = 8080;

std::string environment(char const* name) {
  char const* value = std::getenv(name);
  return value ? value : "";
}

/// Where the log goes; the processes' own lines go there too.
int log_fd = STDERR_FILENO;

void log_to(int fd) {
  log_fd = fd;
  log::set_sink([fd](std::string_view line) { (void)!write(fd, line.data(), line.size()); });
}

/// Passes on a line of a child process, in one write so that lines do not mix.
void forward(std::string_view line) {
  std::string const whole = std::string(line) + "\n";
  (void)!write(log_fd, whole.data(), whole.size());
}

Result<int> open_log(fs::path const& file) {
  int const fd = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return make_error(ErrorKind::Io, file.string() + ": " + std::strerror(errno));
  return fd;
}

int fail(std::string const& message) {
  std::cerr << "inference-operator: " << message << "\n";
  return 1;
}

/// Decision ids of two runs must not be taken for each other.
Result<reconcile::Options> reconcile_options(Flags const& flags) {
  reconcile::Options options;
  options.id_prefix = "d-" + crypto::random_hex(2);
  bool const by_flag = !flags.prometheus_url.empty();
  auto const address = by_flag ? flags.prometheus_url : environment("PROMETHEUS_URL");
  if (address.empty()) return options;
  auto url = http::parse_url(address);
  if (url && url->scheme != "http" && url->scheme != "https")
    url = make_error(ErrorKind::Invalid, "no http(s) URL");
  if (!url) {
    return make_error(ErrorKind::Invalid, std::string(by_flag ? "--prometheus-url" : "PROMETHEUS_URL") + " " +
                                              display_url(address) + ": " + url.error().message);
  }
  options.prometheus = std::move(*url);
  return options;
}

/// What both backends have: metrics, a server for them, and somebody who tells what happens.
struct Common {
  Common(boost::asio::any_io_executor executor, show::ReporterOptions options)
      : metrics(registry), reporter(std::move(executor), std::move(options)) {}

  metrics::Registry registry;
  reconcile::OperatorMetrics metrics;
  show::Reporter reporter;
};

// ---- on this machine

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

show::ReporterOptions reporter_options(Flags const& flags, Terminal const& terminal) {
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

boost::asio::awaitable<int> serve_local(Flags const& flags, reconcile::Options options, fs::path run_dir,
                                        Terminal terminal) {
  auto const executor = co_await boost::asio::this_coro::executor;
  process::Signals signals(executor);
  Common common(executor, reporter_options(flags, terminal));
  if (auto const started = common.reporter.start(); !started) co_return fail(started.error().message);
  auto const server = make_server(executor, flags.address, flags.metrics_port.value_or(0), common.registry,
                                  [] { return true; });
  if (auto const started = start_servers(*server, nullptr, flags.ports_file); !started)
    co_return fail(started.error().message);
  backend::local::LocalBackend backend(executor, local_settings(flags, run_dir), flags.local, forward);
  reconcile::Reconciler reconciler(executor, backend, common.metrics, common.reporter.listener(),
                                   std::move(options));
  common.metrics.leader(true);  // nobody else is here
  co_await run_local(backend, reconciler, signals);
  common.reporter.finish();
  co_await server->drain(milliseconds(0));
  co_return 0;
}

int local_main(Flags const& flags) {
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
  auto options = reconcile_options(flags);
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

  bool const table = isatty(STDOUT_FILENO) == 1 && !flags.no_table;
  auto log_file = flags.log_file;
  // Log lines would run through the table.
  if (table && log_file.empty() && isatty(STDERR_FILENO) == 1) log_file = *run_dir / "operator.log";
  if (!log_file.empty()) {
    auto const fd = open_log(log_file);
    if (!fd) return fail(fd.error().message);
    log_to(*fd);
  }
  // Its timers, sockets and children all belong to this one thread.
  boost::asio::io_context context(1);
  int const code = process::run_to_end(
      context, serve_local(flags, std::move(*options), *run_dir, {table, log_file, checked.skipped}));
  if (code == 0) fs::remove_all(*run_dir, wrong);  // else the log in it tells why
  return code;
}

// ---- on a cluster

Result<kube::Access> cluster_access(Flags const& flags) {
  std::optional<std::string> context;
  if (!flags.context.empty()) context = flags.context;
  if (!flags.kubeconfig.empty()) return kube::kubeconfig_access({flags.kubeconfig}, context);
  auto const host = environment("KUBERNETES_SERVICE_HOST");
  if (!host.empty()) return kube::in_cluster_access(host, environment("KUBERNETES_SERVICE_PORT"));
  auto const list = environment("KUBECONFIG");
  if (!list.empty()) return kube::kubeconfig_access(kube::split_kubeconfig_list(list), context);
  return kube::kubeconfig_access({fs::path(environment("HOME")) / ".kube" / "config"}, context);
}

KubernetesOptions kubernetes_options(Flags const& flags, kube::Access access, reconcile::Options reconcile) {
  KubernetesOptions options;
  auto const pod = environment("POD_NAME");
  auto const own_namespace = environment("POD_NAMESPACE");
  options.identity = pod.empty() ? "operator-" + crypto::random_hex(4) : pod;
  options.lease_namespace = own_namespace.empty() ? access.namespace_name : own_namespace;
  options.lease_name = flags.lease_name;
  options.access = std::move(access);
  options.namespaces = flags.namespaces;
  options.children.dispatcher_image = flags.dispatcher_image;
  options.children.worker_image = flags.worker_image;
  options.children.allowed = flags.allowed;
  options.children.image_pull_secrets = flags.image_pull_secrets;
  options.children.priority_class = flags.priority_class;
  options.children.network_policy = !flags.no_network_policy;
  options.children.egress_policy = flags.egress_policy;
  options.children.model_networks = flags.model_networks;
  options.service_monitors = !flags.no_service_monitors;
  options.leader_elect = flags.leader_elect;
  options.reconcile = std::move(reconcile);
  return options;
}

boost::asio::awaitable<int> serve_cluster(Flags const& flags, KubernetesOptions options) {
  auto const executor = co_await boost::asio::this_coro::executor;
  process::Signals signals(executor);
  show::ReporterOptions reporting;
  reporting.decision_log = flags.decision_log;
  Common common(executor, std::move(reporting));
  if (auto const started = common.reporter.start(); !started) co_return fail(started.error().message);
  KubernetesOperator kubernetes(executor, std::move(options), common.metrics, common.reporter.listener());
  auto const ready = [&kubernetes] { return kubernetes.ready(); };
  auto const server = make_server(executor, "0.0.0.0", flags.metrics_port.value_or(kClusterMetricsPort),
                                  common.registry, ready);
  std::unique_ptr<http::Server> probes;
  if (flags.probe_port) probes = make_probe_server(executor, "0.0.0.0", *flags.probe_port, ready);
  if (auto const started = start_servers(*server, probes.get(), flags.ports_file); !started)
    co_return fail(started.error().message);
  TaskGroup tasks(executor, log::failed_task);
  tasks.spawn("signals", [&]() -> boost::asio::awaitable<void> {
    int const signal = co_await signals.next();
    if (signal == 0) co_return;
    log::info("stopping", {{"signal", signal}});
    kubernetes.stop();
  });
  auto const ended = co_await kubernetes.run();
  if (!ended) log::error("ended", {{"error", ended.error().message}});
  co_await tasks.stop();
  co_await server->drain(milliseconds(0));
  if (probes) co_await probes->drain(milliseconds(0));
  co_return ended ? 0 : 1;
}

int cluster_main(Flags const& flags) {
  if (!flags.log_file.empty()) {
    auto const fd = open_log(flags.log_file);
    if (!fd) return fail(fd.error().message);
    log_to(*fd);
  }
  auto access = cluster_access(flags);
  if (!access) return fail(access.error().message);
  auto reconcile = reconcile_options(flags);
  if (!reconcile) return fail(reconcile.error().message);
  auto options = kubernetes_options(flags, std::move(*access), std::move(*reconcile));
  boost::asio::io_context context(1);
  return process::run_to_end(context, serve_cluster(flags, std::move(options)));
}

}  // namespace

int main(int argc, char** argv) {
  auto const parsed = parse_flags(argc, argv);
  if (auto const* exit = std::get_if<Exit>(&parsed)) return exit->code;
  auto const& flags = std::get<Flags>(parsed);
  log::set_level(flags.log_level);
  try {
    return flags.local.empty() ? cluster_main(flags) : local_main(flags);
  } catch (std::exception const& fault) {
    return fail(fault.what());
  }
}
