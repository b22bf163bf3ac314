#include "operator/local.hpp"

#include "runtime/async/task_group.hpp"
#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"

namespace ei {
namespace asio = boost::asio;

asio::awaitable<void> run_local(backend::local::LocalBackend& backend, reconcile::Reconciler& reconciler,
                                process::Signals& signals) {
  auto const executor = co_await asio::this_coro::executor;
  TaskGroup tasks(executor, log::failed_task);
  tasks.spawn("signals", [&]() -> asio::awaitable<void> {
    int const first = co_await signals.next();
    if (first == 0) co_return;
    log::info("stopping", {{"signal", first}});
    reconciler.stop();
    int const second = co_await signals.next();
    if (second == 0) co_return;
    log::warn("killing", {{"signal", second}});
    backend.kill();
  });
  auto const ended = co_await reconciler.run();
  if (!ended) log::error("reconciler_ended", {{"error", ended.error().message}});
  co_await backend.shut_down();
  log::info("stopped");
  co_await tasks.stop();
}

}  // namespace ei
