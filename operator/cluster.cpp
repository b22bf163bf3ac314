#include "operator/cluster.hpp"

#include <boost/asio/io_context.hpp>
#include <memory>

#include "operator/backend/kube/client/reloading_file.hpp"
#include "operator/kubernetes.hpp"
#include "operator/metrics_server.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/crypto/digest.hpp"
#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/files.hpp"
#include "runtime/process/program.hpp"
#include "runtime/process/signals.hpp"

namespace ei {
namespace {

namespace fs = std::filesystem;

/// For /metrics and probes: as of most operators, and named by the chart's Service and NetworkPolicy.
constexpr std::uint16_t kClusterMetricsPort = 8080;

KubernetesOptions kubernetes_options(Flags const& flags, kube::Access access, reconcile::Options reconcile,
                                     Environment const& environment) {
  KubernetesOptions options;
  auto const pod = environment("POD_NAME");
  auto const own_namespace = environment("POD_NAMESPACE");
  options.identity = pod.empty() ? "operator-" + crypto::random_hex(4) : pod;
  options.lease_namespace = own_namespace.empty() ? access.namespace_name : own_namespace;
  options.lease_name = flags.lease_name;
  auto const ca =
      std::make_shared<kube::ReloadingFile>(access.ca, kube::holds_certificates, kube::read_credential);
  reconcile.webhooks.cluster_ca = [ca] { return ca->read(steady_now()); };
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
  options.children.collectors = flags.collectors;
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
  Common common(executor, std::move(reporting), flags);
  if (auto const started = common.reporter.start(); !started) co_return fail(started.error().message);
  KubernetesOperator kubernetes(executor, std::move(options), common.metrics, common.listener());
  Unready const unready = [&kubernetes] { return kubernetes.unready(); };
  auto const server = make_server(executor, "0.0.0.0", flags.metrics_port.value_or(kClusterMetricsPort),
                                  common.registry, unready);
  std::unique_ptr<http::Server> probes;
  if (flags.probe_port) probes = make_probe_server(executor, "0.0.0.0", *flags.probe_port, unready);
  if (auto const started = start_servers(*server, probes.get(), common.page.get(), flags.ports_file);
      !started)
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
  if (common.page) co_await common.page->stop();
  co_return ended ? 0 : 1;
}

}  // namespace

Result<kube::Access> cluster_access(fs::path const& kubeconfig, std::string const& context_name,
                                    Environment const& environment) {
  std::optional<std::string> context;
  if (!context_name.empty()) context = context_name;
  if (!kubeconfig.empty()) return kube::kubeconfig_access({kubeconfig}, context);
  auto const host = environment("KUBERNETES_SERVICE_HOST");
  if (!host.empty()) return kube::in_cluster_access(host, environment("KUBERNETES_SERVICE_PORT"));
  auto const list = environment("KUBECONFIG");
  if (!list.empty()) return kube::kubeconfig_access(kube::split_kubeconfig_list(list), context);
  return kube::kubeconfig_access({fs::path(environment("HOME")) / ".kube" / "config"}, context);
}

int cluster_main(Flags const& flags, Environment const& environment) {
  if (!flags.log_file.empty()) {
    if (auto const opened = log_to(flags.log_file); !opened) return fail(opened.error().message);
  }
  auto access = cluster_access(flags.kubeconfig, flags.context, environment);
  if (!access) return fail(access.error().message);
  auto reconcile = reconcile_options(flags, environment);
  if (!reconcile) return fail(reconcile.error().message);
  auto options = kubernetes_options(flags, std::move(*access), std::move(*reconcile), environment);
  boost::asio::io_context context(1);
  return process::run_to_end(context, serve_cluster(flags, std::move(options)));
}

}  // namespace ei
