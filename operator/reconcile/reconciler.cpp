#include "operator/reconcile/reconciler.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "operator/plan/failure.hpp"
#include "runtime/async/deadline.hpp"
#include "runtime/log/log.hpp"

namespace ei::reconcile {
namespace {

using SteadyClock = std::chrono::steady_clock;
using WallClock = std::chrono::system_clock;

/// A dispatcher that has not answered after half an interval makes the next decision late; nobody waits over
/// 2 s.
milliseconds scrape_deadline(milliseconds interval) {
  return std::clamp(interval / 2, milliseconds(50), milliseconds(2000));
}

/// Where enough are ready, only these: one more that starts (a rollout, an image that cannot be pulled)
/// serves nobody yet and need not answer.
std::vector<scrape::Target> targets_of(plan::Observation const& seen) {
  auto const ready = std::count_if(seen.dispatchers.begin(), seen.dispatchers.end(),
                                   [](auto const& each) { return each.ready; });
  bool const enough = ready >= seen.spec->dispatcher.replicas;
  std::vector<scrape::Target> targets;
  for (auto const& each : seen.dispatchers) {
    if (each.ready || !enough) targets.push_back({each.name, each.incarnation, each.metrics_url});
  }
  return targets;
}

bool writes_status(plan::Actions const& actions) {
  return std::any_of(actions.begin(), actions.end(),
                     [](auto const& action) { return std::holds_alternative<plan::WriteStatus>(action); });
}

void log_failure(api::ServiceKey const& key, Error const& error, milliseconds delay, int failures) {
  log::warn("reconcile_failed", {{"namespace", key.namespace_name},
                                 {"name", key.name},
                                 {"error", error.message},
                                 {"kind", to_string(error.kind)},
                                 {"failures", failures},
                                 {"retry_in_ms", delay.count()}});
}

}  // namespace

Reconciler::Reconciler(asio::any_io_executor executor, backend::Backend& backend, OperatorMetrics& metrics,
                       Listener listener, Options options)
    : executor_(executor),
      backend_(backend),
      metrics_(metrics),
      listener_(std::move(listener)),
      options_(std::move(options)),
      tasks_(executor,
             [](std::string const& name, std::string const& what) {
               log::error("task_failed", {{"task", name}, {"error", what}});
             }),
      timer_(executor) {
  if (options_.prometheus) prometheus_.emplace(executor_, *options_.prometheus);
}

asio::awaitable<Result<void>> Reconciler::run() {
  tasks_.spawn("changes", [this] { return follow_changes(); });
  while (!stopped_) {
    start_due();
    metrics_.queue_depth(queue_.waiting());
    auto const next = queue_.running() < options_.parallel ? queue_.next_due() : std::nullopt;
    timer_.expires_at(next.value_or(SteadyTime::max()));
    co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  co_await tasks_.stop();
  if (ended_) co_return *ended_;
  co_return Result<void>{};
}

void Reconciler::stop() {
  stopped_ = true;
  wake();
}

asio::awaitable<void> Reconciler::follow_changes() {
  while (true) {
    auto keys = co_await backend_.wait_change();
    if (!keys) {
      ended_ = keys.error();
      stop();
      co_return;
    }
    auto const now = SteadyClock::now();
    for (auto const& key : *keys) queue_.add(key, now);
    wake();
  }
}

void Reconciler::start_due() {
  while (queue_.running() < options_.parallel) {
    auto key = queue_.take(SteadyClock::now());
    if (!key) return;
    tasks_.spawn("reconcile " + to_string(*key), [this, key = *key] { return handle(key); });
  }
}

asio::awaitable<void> Reconciler::handle(api::ServiceKey key) {
  auto const start = SteadyClock::now();
  Result<Next> outcome = make_error(ErrorKind::Io, "did not run");
  try {
    outcome = co_await within<Next>(options_.deadline, "reconcile of " + to_string(key), reconcile(key));
  } catch (std::exception const& fault) {
    // A bug, or the cancellation of stop(): either way the key must not stay marked as running.
    outcome = make_error(stopped_ ? ErrorKind::Canceled : ErrorKind::Io, fault.what());
  }
  auto const seconds = std::chrono::duration<double>(SteadyClock::now() - start).count();
  metrics_.reconciled(outcome ? "ok" : "error", seconds);
  settle(key, outcome);
  wake();
}

// What becomes of the key after each outcome.
void Reconciler::settle(api::ServiceKey const& key, Result<Next> const& outcome) {
  auto const now = SteadyClock::now();
  if (outcome) {
    queue_.done(key);
    if (*outcome == Next::Tick) queue_.add(key, memories_.at(key).tick_due);
    return;
  }
  auto const& error = outcome.error();
  metrics_.failed(to_string(error.kind));
  switch (error.kind) {
    case ErrorKind::Canceled:
      // Not allowed to write any more: the next leader sees the service anew.
      queue_.done(key);
      return;
    case ErrorKind::Conflict:
    case ErrorKind::AlreadyExists:
    case ErrorKind::NotFound:
    case ErrorKind::Gone:
      // Somebody was faster: the first delay lets the cache catch up.
    case ErrorKind::TooMany:
    case ErrorKind::Unavailable:
    case ErrorKind::Timeout:
    case ErrorKind::Protocol:
    case ErrorKind::Io:
    case ErrorKind::Invalid:
    case ErrorKind::Unauthorized:
    case ErrorKind::Forbidden: {
      auto const delay = queue_.failed(key, now, error.retry_after.value_or(milliseconds(0)));
      log_failure(key, error, delay, queue_.failures(key));
      return;
    }
  }
}

asio::awaitable<Result<Reconciler::Next>> Reconciler::reconcile(api::ServiceKey key) {
  auto seen = co_await backend_.observe(key);
  if (!seen) {
    if (seen.error().kind != ErrorKind::NotFound) co_return seen.error();
    co_return co_await remove(key);
  }
  auto& memory = memories_.try_emplace(key, executor_).first->second;
  co_return co_await act(*seen, memory);
}

asio::awaitable<Result<Reconciler::Next>> Reconciler::remove(api::ServiceKey key) {
  plan::Observation gone;
  gone.metadata.name = key.name;
  gone.metadata.namespace_name = key.namespace_name;
  plan::Actions const actions{plan::RemoveChildren{}};
  auto const applied = co_await backend_.apply(gone, actions);
  if (!applied) co_return applied.error();
  if (memories_.erase(key) > 0) {
    metrics_.forget(key);
    if (listener_.on_gone) listener_.on_gone(key);
  }
  co_return Next::Wait;
}

asio::awaitable<Result<Reconciler::Next>> Reconciler::act(plan::Observation const& seen, Memory& memory) {
  scaling::Settings const settings =
      seen.spec ? plan::settings_in_force(*seen.spec, seen.shortage) : scaling::Settings{};
  plan::Verdict verdict;
  scaling::Snapshot snapshot;
  auto now = SteadyClock::now();
  if (seen.spec) {
    co_await scrape(seen, settings, memory);
    now = SteadyClock::now();
    snapshot = {memory.last_scrape.sample, plan::workers_of(seen, settings, WallClock::now())};
    verdict = decide(seen, settings, snapshot, memory, now);
  }
  verdict.unrecorded = memory.unrecorded;
  if (memory.status_written) {
    verdict.since_status_write = std::chrono::duration_cast<milliseconds>(now - *memory.status_written);
  }
  auto const wall_now = WallClock::now();
  auto const plan = plan::make_plan(seen, verdict, wall_now);
  if (seen.spec && listener_.on_decided) {
    Decided const decided{seen, verdict, plan, settings, snapshot, now, wall_now};
    listener_.on_decided(decided);
  }
  if (verdict.decision && verdict.decision->from != plan.status.desired_replicas) {
    memory.unrecorded = plan.status.last_decision;
  }
  auto const applied = co_await apply(seen, plan.actions, memory);
  if (!applied) co_return applied.error();
  co_return seen.spec && !seen.metadata.deleting ? Next::Tick : Next::Wait;
}

asio::awaitable<void> Reconciler::scrape(plan::Observation const& seen, scaling::Settings const& settings,
                                         Memory& memory) {
  auto const now = SteadyClock::now();
  // A change between two ticks is decided on the last scrape while that is young, else ticks would be all
  // there is.
  bool const due = now >= memory.tick_due;
  bool const young = memory.scraped_at && now - *memory.scraped_at < settings.interval / 2;
  // Ticks keep their beat, and do not pile up after a pause.
  if (due) memory.tick_due = std::max(memory.tick_due + settings.interval, now + settings.interval / 2);
  memory.tick_due = std::min(memory.tick_due, now + settings.interval);  // the interval was shortened
  if (!due && young) co_return;
  memory.scraped_at = now;
  memory.last_scrape = co_await ask(seen, memory, scrape_deadline(settings.interval));
  if (!memory.last_scrape.sample) co_return;
  memory.sampled_at = memory.last_scrape.sample->at;
  if (!memory.last_scrape.answers.empty()) {
    memory.last_scrape.sample->late = scrape::late_answers(
        memory.last_scrape.answers, std::chrono::duration<double>(settings.latency_target).count());
  }
  memory.latency.add(memory.last_scrape.sample->at, memory.last_scrape.answers,
                     memory.last_scrape.sample->epoch);
}

asio::awaitable<scrape::Scrape> Reconciler::ask(plan::Observation const& seen, Memory& memory,
                                                milliseconds deadline) {
  auto query = seen.spec->prometheus_query;
  if (query.empty()) {
    auto targets = targets_of(seen);
    co_return co_await memory.scraper.scrape(std::move(targets), seen.spec->dispatcher.replicas, deadline);
  }
  if (prometheus_) co_return co_await prometheus_->query(std::move(query), deadline);
  scrape::Scrape unknown;
  unknown.fault = "spec.scaling.prometheusQuery needs an operator that knows a Prometheus: PROMETHEUS_URL";
  co_return unknown;
}

plan::Verdict Reconciler::decide(plan::Observation const& seen, scaling::Settings const& settings,
                                 scaling::Snapshot const& snapshot, Memory& memory, SteadyTime now) {
  plan::Verdict verdict;
  verdict.decision_id = options_.id_prefix + "-" + std::to_string(++decisions_);
  verdict.decision = scaling::decide(settings, memory.state, snapshot, now);
  verdict.metrics_fault = memory.last_scrape.fault;
  verdict.p99 = memory.latency.p99();
  metrics_.decided(scaling::name(verdict.decision->reason));
  OperatorMetrics::Replicas replicas;
  replicas.desired = plan::granted(*verdict.decision, seen.shortage);
  replicas.ready = snapshot.workers.ready();
  if (memory.sampled_at)
    replicas.scrape_age_seconds = std::chrono::duration<double>(now - *memory.sampled_at).count();
  metrics_.service(seen.metadata.key(), replicas);
  return verdict;
}

asio::awaitable<Result<void>> Reconciler::apply(plan::Observation const& seen, plan::Actions const& actions,
                                                Memory& memory) {
  auto applied = co_await backend_.apply(seen, actions);
  if (!applied) {
    auto const told = plan::plan_failure(seen, applied.error(), WallClock::now());
    // Best effort: where even this is refused, the first refusal is what counts.
    if (!told.empty()) (void)co_await backend_.apply(seen, told);
    co_return applied;
  }
  if (writes_status(actions)) {
    memory.status_written = SteadyClock::now();
    memory.unrecorded.reset();
  }
  for (auto const& action : actions) {
    auto const* event = std::get_if<plan::RecordEvent>(&action);
    if (event && listener_.on_event) listener_.on_event(seen.metadata.key(), *event);
  }
  co_return applied;
}

}  // namespace ei::reconcile
