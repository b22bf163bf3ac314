#include "operator/reconcile/reconciler.hpp"

#include <algorithm>

#include "operator/reconcile/settle.hpp"
#include "runtime/async/deadline.hpp"
#include "runtime/log/failed_task.hpp"
#include "runtime/log/log.hpp"

namespace ei::reconcile {
namespace {

Now now() {
  return {steady_now(), wall_now()};
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

Listener both(Listener first, Listener second) {
  return {
      [a = first.on_decided, b = second.on_decided](Decided const& decided) {
        if (a) a(decided);
        if (b) b(decided);
      },
      [a = first.on_event, b = second.on_event](api::ServiceKey const& key, plan::RecordEvent const& event) {
        if (a) a(key, event);
        if (b) b(key, event);
      },
      [a = first.on_gone, b = second.on_gone](api::ServiceKey const& key) {
        if (a) a(key);
        if (b) b(key);
      }};
}

Reconciler::Reconciler(asio::any_io_executor executor, backend::Backend& backend, OperatorMetrics& metrics,
                       Listener listener, Options options)
    : executor_(executor),
      backend_(backend),
      metrics_(metrics),
      listener_(std::move(listener)),
      options_(std::move(options)),
      tasks_(executor, log::failed_task),
      woken_(executor),
      ids_{options_.id_prefix} {
  if (options_.prometheus) prometheus_.emplace(executor_, *options_.prometheus);
}

asio::awaitable<Result<void>> Reconciler::run() {
  tasks_.spawn("changes", [this] { return follow_changes(); });
  while (!stopped_) {
    start_due();
    metrics_.queue_depth(queue_.waiting());
    auto const next = queue_.running() < options_.parallel ? queue_.next_due() : std::nullopt;
    (void)co_await woken_.wait(next.value_or(SteadyTime::max()));
  }
  co_await tasks_.stop();
  for (auto& [key, entry] : entries_) entry.arrivals.reset();
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
    auto const when = now().steady;
    for (auto const& key : *keys) queue_.add(key, when);
    wake();
  }
}

void Reconciler::start_due() {
  while (queue_.running() < options_.parallel) {
    auto key = queue_.take(now().steady);
    if (!key) return;
    tasks_.spawn("reconcile " + to_string(*key), [this, key = *key] { return handle(key); });
  }
}

asio::awaitable<void> Reconciler::handle(api::ServiceKey key) {
  auto const start = now().steady;
  Result<Next> outcome = make_error(ErrorKind::Io, "did not run");
  try {
    outcome = co_await within<Next>(options_.deadline, "reconcile of " + to_string(key), reconcile(key));
  } catch (std::exception const& fault) {
    // A bug, or the cancellation of stop(): either way the key must not stay marked as running.
    outcome = make_error(stopped_ ? ErrorKind::Canceled : ErrorKind::Io, fault.what());
  }
  auto const seconds = std::chrono::duration<double>(now().steady - start).count();
  metrics_.reconciled(outcome ? "ok" : "error", seconds);
  finish(key, outcome);
  wake();
}

void Reconciler::finish(api::ServiceKey const& key, Result<Next> const& outcome) {
  if (!outcome) metrics_.failed(to_string(outcome.error().kind));
  auto const entry = entries_.find(key);
  auto const due = entry == entries_.end() ? SteadyTime{} : entry->second.memory.due();
  auto const delay = settle(queue_, key, outcome, due, now().steady);
  if (delay) log_failure(key, outcome.error(), *delay, queue_.failures(key));
  if (outcome && *outcome == Next::Gone) forget(key);
}

asio::awaitable<Result<Next>> Reconciler::reconcile(api::ServiceKey key) {
  auto& entry = entries_.try_emplace(key, executor_, options_.ask).first->second;
  entry.memory.watched = entry.arrivals && entry.arrivals->stands();
  Step step(key, entry.memory, ids_);
  Action action = step.start();
  for (;;) {
    Input input;
    if (std::holds_alternative<Observe>(action)) {
      auto seen = co_await backend_.observe(key);
      input = Observed{std::move(seen)};
    } else if (auto* const wanted = std::get_if<Scrape>(&action)) {
      auto scrape = co_await perform(std::move(*wanted), entry.scraper);
      input = Scraped{std::move(scrape)};
    } else if (auto* const question = std::get_if<Post>(&action)) {
      post(key, entry, std::move(*question));
      input = Posted{};
    } else if (auto const* const change = std::get_if<Apply>(&action)) {
      auto outcome = co_await perform(*change, entry.memory);
      input = Applied{std::move(outcome)};
    } else {
      auto const& done = std::get<Done>(action);
      if (!entry.memory.webhook) entry.webhook.reset();
      if (done.applied != nullptr) tell_events(key, *done.applied);
      if (done.failed != nullptr) tell_failed_write(key, *done.failed);
      watch_arrivals(key, done);
      co_return done.outcome;
    }
    action = step.take(std::move(input), now());
  }
}

asio::awaitable<scrape::Scrape> Reconciler::perform(Scrape wanted, scrape::Scraper& scraper) {
  if (wanted.query.empty())
    co_return co_await scraper.scrape(std::move(wanted.targets), wanted.wanted, wanted.deadline);
  if (prometheus_) co_return co_await prometheus_->query(std::move(wanted.query), wanted.deadline);
  scrape::Scrape unknown;
  unknown.fault = "spec.scaling.prometheusQuery needs an operator that knows a Prometheus: PROMETHEUS_URL";
  co_return unknown;
}

/// Beside all reconciles: a program that hangs keeps nobody from being decided about.
void Reconciler::post(api::ServiceKey const& key, Entry& entry, Post wanted) {
  auto const& [url, timeout, ca_pem] = wanted.webhook;
  if (!entry.webhook || !entry.webhook->is(url, ca_pem))
    entry.webhook =
        std::make_shared<scrape::Webhook>(executor_, url, ca_pem, options_.webhooks, options_.post_question);
  tasks_.spawn("webhook of " + to_string(key),
               [this, key, webhook = entry.webhook, question = std::move(wanted.question),
                deadline = wanted.deadline]() -> asio::awaitable<void> {
                 scaling::Answer answer;
                 try {
                   answer = co_await webhook->ask(question, deadline);
                 } catch (std::exception const& fault) {
                   if (stopped_) throw;
                   answer.failure = fault.what();  // a bug, but the service must be asked about again
                 }
                 auto const found = entries_.find(key);
                 if (found == entries_.end() || !found->second.memory.webhook) co_return;
                 if (found->second.webhook != webhook) co_return;  // of a service that had the same name
                 if (!take_answer(*found->second.memory.webhook, std::move(answer), now().steady)) co_return;
                 queue_.add(key, now().steady);
                 wake();
               });
}

asio::awaitable<Result<void>> Reconciler::perform(Apply wanted, Memory const& memory) {
  if (wanted.decided != nullptr) {
    count(*wanted.decided, memory);
    if (listener_.on_decided) listener_.on_decided(*wanted.decided);
  }
  auto work = backend_.apply(*wanted.seen, *wanted.actions);
  if (wanted.decided == nullptr) co_return co_await std::move(work);
  // One write that hangs (on an admission webhook) leaves time for the count and the status.
  auto what = "writing the children of " + to_string(wanted.seen->metadata.key());
  co_return co_await within(options_.deadline / 2, std::move(what), std::move(work));
}

void Reconciler::watch_arrivals(api::ServiceKey const& key, Done const& done) {
  auto const found = entries_.find(key);
  if (found == entries_.end()) return;
  auto& watch = found->second.arrivals;
  if (!done.idle) {
    watch.reset();
    return;
  }
  if (!watch) {
    auto const heard = [this, key](scrape::ArrivalWatch::News news) {
      auto const entry = entries_.find(key);
      if (entry == entries_.end()) return;
      if (news == scrape::ArrivalWatch::News::Arrived) entry->second.memory.called = true;
      // Where a dispatcher is lost its metrics say what to make of it.
      queue_.add(key, now().steady);
      wake();
    };
    watch = std::make_unique<scrape::ArrivalWatch>(executor_, heard, options_.await_arrivals);
  }
  if (!done.awaited.empty()) watch->follow(done.awaited);
}

void Reconciler::count(Decided const& decided, Memory const& memory) {
  auto const& decision = *decided.verdict.decision;
  auto const& seen = decided.seen;
  OperatorMetrics::Service service;
  service.reason = scaling::name(decision.reason);
  service.from = decision.from;
  service.desired = plan::granted(decision, seen.shortage);
  service.recommended = decision.advised;
  service.maximum = seen.spec->scaling.max_replicas;
  service.ready = decided.snapshot.workers.ready();
  service.failing =
      static_cast<int>(std::count_if(seen.workers.begin(), seen.workers.end(), [](auto const& each) {
        return !each.ready && each.trouble && each.trouble->lasting;
      }));
  service.allocated_cores = static_cast<double>(seen.workers.size()) * api::worker_cores(*seen.spec) +
                            static_cast<double>(seen.standbys.size()) * scaling::kStandbyCores;
  if (memory.sampled_at)
    service.scrape_age_seconds = std::chrono::duration<double>(decided.now - *memory.sampled_at).count();
  service.latency_target = decided.settings.latency_target;
  if (auto const& scrape = memory.last_scrape; scrape.sample && !scrape.answers.empty()) {
    service.epoch = scrape.sample->epoch;
    service.answers = AnswerCounts{scrape.answers.rbegin()->second, scrape.sample->late.value_or(0)};
  }
  service.conditions = &decided.plan.status.conditions;
  service.advice = &decided.verdict.advice;
  service.now = decided.now;
  metrics_.decided(seen.metadata.key(), service);
}

void Reconciler::tell_events(api::ServiceKey const& key, plan::Actions const& applied) {
  if (!listener_.on_event) return;
  for (auto const& action : applied) {
    if (auto const* event = std::get_if<plan::RecordEvent>(&action)) listener_.on_event(key, *event);
  }
}

void Reconciler::tell_failed_write(api::ServiceKey const& key, FailedWrite const& failed) {
  metrics_.failed(to_string(failed.error.kind));
  auto const delay = std::chrono::ceil<milliseconds>(failed.next_try - now().steady);
  log_failure(key, failed.error, std::max(delay, milliseconds(0)), failed.tries);
}

void Reconciler::forget(api::ServiceKey const& key) {
  auto const entry = entries_.extract(key);
  if (entry.empty() || !entry.mapped().memory.known) return;
  metrics_.forget(key);
  if (listener_.on_gone) listener_.on_gone(key);
}

}  // namespace ei::reconcile
