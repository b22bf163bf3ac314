// inference-worker: one ResNet18 on one core.
#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>

#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>

#include "inference/flags.hpp"
#include "inference/service/classify.hpp"
#include "inference/service/links.hpp"
#include "inference/service/routes.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/core/redact.hpp"
#include "runtime/core/version.hpp"
#include "runtime/crypto/digest.hpp"
#include "runtime/http/server.hpp"
#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"
#include "runtime/process/program.hpp"
#include "runtime/process/signals.hpp"
#include "runtime/process/usage.hpp"

namespace {

using namespace ei;
using namespace ei::inference;
namespace json = boost::json;

// For answers that are computed but not yet sent.
constexpr milliseconds kAnswerGrace{5'000};

// For probes and a few scrapers, whom a crowd of small clients must not reach: 8 MiB at most.
constexpr std::size_t kMetricsConnections = 256;
// Of one address: half of them are always left for the others.
constexpr std::size_t kMetricsConnectionsPerAddress = 128;

std::string variable(char const* name) {
  char const* const value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::filesystem::path default_cache_dir() {
  if (auto const cache = variable("XDG_CACHE_HOME"); !cache.empty())
    return std::filesystem::path(cache) / "elastic-inference";
  if (auto const home = variable("HOME"); !home.empty())
    return std::filesystem::path(home) / ".cache/elastic-inference";
  return std::filesystem::temp_directory_path() / ("elastic-inference-" + std::to_string(::getuid()));
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data() + ("-" + std::to_string(::getpid()));
}

// OpenBLAS reads its variable when it is loaded, which is before main(): it is told here as well. LibTorch
// calls it for the last layer. Whichever BLAS is in use may lack the function.
void hold_blas_to_one_thread() {
  using SetThreads = void (*)(int);
  if (auto* const set = reinterpret_cast<SetThreads>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads")))
    set(1);
}

// Until the frames that tell the dispatchers have left, and for a probe that asks just now.
constexpr milliseconds kOverrunGrace{1'000};

// The pictures of a job, so that a reader of the log finds the one that is at fault.
json::array pictures_of(dispatcher::link::Job const& job) {
  json::array pictures;
  auto const parts = dispatcher::link::parts(job);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    json::object entry{{"sha256", crypto::sha256_hex(parts[i])}, {"bytes", parts[i].size()}};
    auto const& tag = job.items[i].tag;
    if (!tag.id.empty()) entry["request_id"] = tag.id;
    if (!tag.traceparent.empty()) entry["traceparent"] = tag.traceparent;
    pictures.push_back(std::move(entry));
  }
  return pictures;
}

// A computation that never ends cannot be stopped: the process has to be restarted.
asio::awaitable<void> end_on_overrun(Worker& worker, Links& links) {
  auto const overrun = co_await worker.overrun();
  log::error("job_overrun", {{"spent_ms", overrun.spent.count()},
                             {"limit_ms", overrun.limit.count()},
                             {"pictures", pictures_of(*overrun.job)}});
  links.overrun(overrun.job);
  co_await sleep_for(kOverrunGrace);
  ::_exit(kStuckExit);
}

http::ServerOptions server_options(Flags const& flags, std::uint16_t port) {
  http::ServerOptions options;
  options.address = flags.address;
  options.port = port;
  return options;
}

http::ServerOptions metrics_options(Flags const& flags) {
  auto options = server_options(flags, flags.metrics_port);
  options.max_body = 0;  // nothing there takes one
  options.max_connections = kMetricsConnections;
  options.max_connections_per_address = kMetricsConnectionsPerAddress;
  return options;
}

// `main` listens only where a port was asked for; else its port is 0 and not written.
Result<void> listen_all(Flags const& flags, http::Server& main, http::Server& metrics) {
  std::vector<http::Server*> servers{&metrics};
  if (flags.port) servers.push_back(&main);
  for (http::Server* server : servers) {
    if (auto listening = server->listen(); !listening) return listening.error();
    server->start();
  }
  process::Ports ports{{"metrics", metrics.port()}};
  if (flags.port) ports.emplace_back("http", main.port());
  log::info("listening", {{"address", flags.address},
                          {"http", main.port()},
                          {"metrics", metrics.port()},
                          {"model", flags.model_name},
                          {"uri", display_url(flags.model_uri)},
                          {"version", version()}});
  return process::write_ports(flags.ports_file, std::move(ports));
}

asio::awaitable<Result<void>> load(asio::any_io_executor executor, Worker& worker, LoadOptions options) {
  auto files = co_await fetch_files(executor, std::move(options));
  if (!files) co_return files.error();
  co_return co_await worker.load(std::move(*files));
}

asio::awaitable<int> classify_and_end(asio::any_io_executor executor, Flags const& flags) {
  auto const files = co_await fetch_files(executor, flags.load);
  if (!files) {
    log::error("cannot_load", {{"error", files.error().message}});
    co_return 1;
  }
  co_return classify_files(*files, flags.classify, stdout);
}

// Before the links are there: a standby never asks for a job.
Result<void> begin_standby(StandbyOptions const& options, Worker& worker, Links& links, TaskGroup& tasks) {
  auto const standby = is_standby(options);
  if (!standby) return standby.error();
  worker.set_standby(*standby);
  tasks.spawn("standby", [options, &worker, &links] {
    return follow_standby(options, worker.standby(), [&worker, &links](bool standby_now) {
      worker.set_standby(standby_now);
      links.standby_changed();
    });
  });
  return {};
}

asio::awaitable<int> run(Flags const& flags) {
  using asio::experimental::awaitable_operators::operator||;
  asio::any_io_executor const executor = co_await asio::this_coro::executor;
  if (!flags.classify.empty()) co_return co_await classify_and_end(executor, flags);
  // It is read again for every link; one that cannot be used now is told at once.
  if (auto const token = process::read_token(flags.token_file); !token) {
    log::error("bad_token_file", {{"error", token.error().message}});
    co_return 1;
  }
  process::Signals signals(executor);
  metrics::Registry registry;
  Metrics metrics(registry);
  process::UsageMeter usage;
  Worker worker(executor, metrics, flags.job_limit);
  RouteContext context{worker, flags.model_name, {}};
  context.exposition = [&] {
    metrics.collect(usage.sample());
    return registry.exposition();
  };
  auto main_options = server_options(flags, flags.port.value_or(0));
  main_options.request_ids = true;
  main_options.on_completed = [&metrics](http::Completed const& answer) { metrics.completed(answer); };
  http::Server main(executor, std::move(main_options), main_routes(context));
  http::Server metrics_server(executor, metrics_options(flags), metrics_routes(context));
  if (auto const listening = listen_all(flags, main, metrics_server); !listening) {
    log::error("cannot_listen", {{"error", listening.error().message}});
    co_return 1;
  }
  auto const loaded = co_await (load(executor, worker, flags.load) || signals.next());
  if (loaded.index() == 1) {
    log::info("signal", {{"number", std::get<1>(loaded)}, {"detail", "while the model was loading"}});
    co_return 0;
  }
  if (auto const& result = std::get<0>(loaded); !result) {
    log::error("cannot_load", {{"error", result.error().message}});
    co_return 1;
  }
  LinkOptions link_options{flags.dispatchers,       flags.name,         flags.model_name, flags.token_file,
                           flags.former_token_file, flags.dispatcher_ca};
  Links links(executor, worker, metrics, std::move(link_options));
  TaskGroup watching(executor, log::failed_task);
  if (flags.standby.below_milli > 0) {
    if (auto const fine = begin_standby(flags.standby, worker, links, watching); !fine) {
      log::error("bad_cpu_quota", {{"error", fine.error().message}});
      co_return 1;
    }
  }
  links.start();
  watching.spawn("watch", [&worker, &links] { return end_on_overrun(worker, links); });
  int const signal = co_await signals.next();
  log::info("signal", {{"number", signal}});
  worker.drain();
  bool const finished = co_await links.drain(flags.drain_timeout);
  co_await main.drain(finished ? kAnswerGrace : milliseconds(0));
  co_await metrics_server.drain(milliseconds(0));
  co_await watching.stop();
  log::info("drained", {{"finished", finished}});
  co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // Two threads that work in turns: an arena for each would only hold the same memory twice.
  ::mallopt(M_ARENA_MAX, 1);
  auto parsed = parse_flags(argc, argv);
  if (auto const* exit = std::get_if<Exit>(&parsed)) return exit->code;
  Flags& flags = std::get<Flags>(parsed);
  log::set_level(flags.log_level);
  if (flags.load.cache_dir.empty()) flags.load.cache_dir = default_cache_dir();
  if (flags.name.empty()) flags.name = host_name();
  hold_blas_to_one_thread();
  asio::io_context context(1);
  return process::run_to_end(context, run(flags));
}
