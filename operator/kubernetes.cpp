#include "operator/kubernetes.hpp"

#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"

namespace ei {
namespace {

// A renewal that takes longer than half the renew deadline (10 s) must leave time for another.
constexpr milliseconds kLeaseTimeout{5'000};

// What is left to say after SIGTERM: the kubelet waits 20 s in the chart.
constexpr milliseconds kLastEvents{2'000};

// The reconciler cancels what runs and returns at once; this only bounds a fault.
constexpr milliseconds kLastReconcile{5'000};

// Until another release's lease has run out, and while it is there: whoever uninstalls it waits for us.
constexpr milliseconds kLookAgain{5'000};

// While we lead: what came back after a crash of its nodes is seen before it has written much.
constexpr milliseconds kLookAround{15'000};

std::string watched(std::vector<std::string> const& namespaces) {
  if (namespaces.empty()) return std::string(kube::kAllNamespaces);
  std::string names;
  for (auto const& each : namespaces) names += (names.empty() ? "" : ",") + each;
  return names;
}

auto counting(reconcile::OperatorMetrics& metrics) {
  return [&metrics](kube::Answered const& answered) {
    auto const seconds = std::chrono::duration<double>(answered.elapsed).count();
    metrics.api_request(answered.method, answered.resource, answered.status, seconds);
  };
}

kube::ClientOptions lease_client_options(kube::Dial dial, reconcile::OperatorMetrics& metrics) {
  kube::ClientOptions options;
  options.dial = std::move(dial);
  options.on_answer = counting(metrics);
  options.timeout = kLeaseTimeout;
  return options;
}

kube::Elector::Options elector_options(std::string identity, std::string watches) {
  kube::Elector::Options options;
  options.watches = std::move(watches);
  options.seed = std::hash<std::string>{}(identity);
  options.identity = std::move(identity);
  return options;
}

kube::BackendOptions backend_options(KubernetesOptions const& options) {
  kube::BackendOptions backend;
  backend.namespaces = options.namespaces;
  backend.children = options.children;
  backend.service_monitors = options.service_monitors;
  backend.instance = options.identity;
  backend.seed = std::hash<std::string>{}(options.identity);
  return backend;
}

}  // namespace

KubernetesOperator::KubernetesOperator(asio::any_io_executor executor, KubernetesOptions options,
                                       reconcile::OperatorMetrics& metrics, reconcile::Listener listener)
    : executor_(executor),
      options_(std::move(options)),
      metrics_(metrics),
      lease_client_(executor, options_.access, lease_client_options(options_.dial, metrics)),
      client_(executor, options_.access, client_options()),
      backend_(executor, client_, backend_options(options_)),
      reconciler_(executor, backend_, metrics, std::move(listener), options_.reconcile),
      tasks_(executor, log::failed_task),
      election_(executor, log::failed_task),
      ended_(executor) {
  kube::ObjectKey lease{options_.lease_namespace, options_.lease_name};
  // Leases of all namespaces may be listed only by who may see all services.
  if (options_.namespaces.empty()) lookout_.emplace(lease_client_, lease, options_.identity);
  if (!options_.leader_elect) return;
  leader_.emplace(executor, lease_client_, std::move(lease),
                  elector_options(options_.identity, watched(options_.namespaces)));
}

kube::ClientOptions KubernetesOperator::client_options() {
  kube::ClientOptions options;
  options.seed = std::hash<std::string>{}(options_.identity);
  options.on_answer = counting(metrics_);
  options.dial = options_.dial;
  options.may_write = [this] { return !leader_ || leader_->may_write(); };
  return options;
}

asio::awaitable<Result<void>> KubernetesOperator::run() {
  backend_.start();
  tasks_.spawn("greeting", [this] { return greet(); });
  if (leader_) election_.spawn("election", [this] { return leader_->run(); });
  tasks_.spawn("lead", [this] { return lead(); });
  (void)co_await ended_.wait();
  // Nothing more is decided, then nothing more is written, then another may take over.
  backend_.cancel_wait();
  reconciler_.stop();
  if (leading_) co_await tasks_.wait(kLastReconcile);
  co_await tasks_.stop();
  co_await backend_.stop(kLastEvents);
  co_await election_.stop();
  if (leader_) co_await leader_->release();
  metrics_.leader(false);
  if (!lost_.empty()) co_return make_error(ErrorKind::Canceled, lost_);
  co_return Result<void>{};
}

void KubernetesOperator::stop() {
  stopping_ = true;
  ended_.set();
}

std::string KubernetesOperator::unready() const {
  if (!makes_way_.empty()) return makes_way_;
  return backend_.ready() ? "" : "what there is has not been read yet, or cannot be: see the log";
}

asio::awaitable<void> KubernetesOperator::greet() {
  auto const version = co_await lease_client_.server_version();
  if (version) {
    log::info("connected", {{"server", options_.access.server}, {"version", *version}});
  } else {
    log::warn("api_server_unreachable",
              {{"server", options_.access.server}, {"error", version.error().message}});
  }
}

asio::awaitable<void> KubernetesOperator::lead() {
  if (leader_) {
    co_await leader_->wait_gained();
    election_.spawn("leadership", [this] { return watch_leadership(); });
  }
  if (lookout_) {
    co_await wait_alone();
    election_.spawn("neighbours", [this] { return watch_neighbours(); });
  }
  leading_ = true;
  metrics_.leader(true);
  auto const ended = co_await reconciler_.run();
  if (!ended && !stopping_) log::warn("reconciler_ended", {{"error", ended.error().message}});
}

asio::awaitable<void> KubernetesOperator::wait_alone() {
  while (true) {
    auto const other = co_await lookout_->earlier_release();
    if (other && !*other) break;
    if (other) {
      makes_way_ = to_string(**other);
    } else if (makes_way_.empty()) {
      makes_way_ = "whether another release does the work is not known: " + other.error().message;
      log::warn("other_releases_not_seen", {{"error", other.error().message}});
    }
    co_await sleep_for(kLookAgain);
  }
  makes_way_.clear();
}

asio::awaitable<void> KubernetesOperator::watch_neighbours() {
  while (true) {
    co_await sleep_for(kLookAround);
    auto const other = co_await lookout_->earlier_release();
    if (!other || !*other) continue;
    // The next process waits until that one is gone.
    lost_ = makes_way_ = to_string(**other);
    ended_.set();
    co_return;
  }
}

asio::awaitable<void> KubernetesOperator::watch_leadership() {
  co_await leader_->wait_lost();
  lost_ = "leadership lost";
  ended_.set();
}

}  // namespace ei
