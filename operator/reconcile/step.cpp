#include "operator/reconcile/step.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "operator/plan/rollout.hpp"
#include "operator/reconcile/workqueue.hpp"
#include "operator/scaling/observe.hpp"

namespace ei::reconcile {
namespace {

constexpr milliseconds kShortestScrape{50};
constexpr milliseconds kLongestScrape{2000};

/// Where enough dispatchers are ready, only these: one more that starts (a rollout, an image that cannot be
/// pulled) serves nobody yet and need not answer.
std::vector<scrape::Target> targets_of(plan::Observation const& seen) {
  std::string no_worker;
  bool const served =
      std::any_of(seen.workers.begin(), seen.workers.end(), [](auto const& each) { return each.ready; });
  if (auto const trouble = served ? std::nullopt : plan::worker_trouble(seen, {}))
    no_worker = trouble->reason;
  auto const ready = std::count_if(seen.dispatchers.begin(), seen.dispatchers.end(),
                                   [](auto const& each) { return each.ready; });
  bool const enough = ready >= seen.spec->dispatcher.replicas;
  std::vector<scrape::Target> targets;
  for (auto const& each : seen.dispatchers) {
    if (each.ready || !enough) targets.push_back({each.name, each.incarnation, each.metrics_url, no_worker});
  }
  return targets;
}

/// Events and the status; all else are children.
bool is_told(plan::Action const& action) {
  return std::holds_alternative<plan::RecordEvent>(action) ||
         std::holds_alternative<plan::WriteStatus>(action);
}

bool writes_status(plan::Actions const& actions) {
  return std::any_of(actions.begin(), actions.end(),
                     [](auto const& action) { return std::holds_alternative<plan::WriteStatus>(action); });
}

/// The far side has understood and does not want it: the next try is as good as this one.
bool is_refusal(Error const& error) {
  switch (error.kind) {
    case ErrorKind::Invalid:
    case ErrorKind::Forbidden:
    case ErrorKind::Unauthorized:
    case ErrorKind::AlreadyExists:  // somebody else's object has the name of a child
      return true;
    default:
      return false;
  }
}

plan::Failure failure_of(FailedWrite const& failed, SteadyTime now) {
  bool const refused = is_refusal(failed.error);
  auto const lasts = now - failed.since;
  return {failed.error, refused || lasts >= kToldAfter, refused || lasts >= kLastingAfter, false};
}

}  // namespace

milliseconds scrape_deadline(milliseconds interval) {
  return std::clamp(interval / 2, kShortestScrape, kLongestScrape);
}

Step::Step(api::ServiceKey key, Memory& memory, DecisionIds& ids)
    : key_(std::move(key)), memory_(memory), ids_(ids) {}

Action Step::take(Input input, Now now) {
  if (auto* const seen = std::get_if<Observed>(&input)) return observed(std::move(seen->seen), now);
  if (auto* const scrape = std::get_if<Scraped>(&input)) return scraped(std::move(scrape->scrape), now);
  if (std::holds_alternative<Posted>(input)) return decide(now);
  return applied(std::move(std::get<Applied>(input).outcome), now);
}

Action Step::observed(Result<plan::Observation> seen, Now now) {
  if (!seen) {
    if (seen.error().kind == ErrorKind::NotFound) return remove();
    return Done{seen.error()};
  }
  memory_.known = true;
  seen_ = std::move(*seen);
  if (!seen_.spec) return plan_and_apply(now);
  in_force_ = plan::settings_in_force(*seen_.spec, seen_.shortage, now.wall);
  if (seen_.no_standbys) in_force_.settings.standby = 0;
  consult(memory_.webhook, seen_.spec->webhook);
  if (!wants_scrape(now.steady)) return ask(now);
  state_ = State::Scraping;
  Scrape scrape;
  scrape.query = seen_.spec->prometheus_query;
  if (scrape.query.empty()) scrape.targets = targets_ = targets_of(seen_);
  scrape.wanted = seen_.spec->dispatcher.replicas;
  scrape.deadline = scrape_deadline(in_force_.settings.interval);
  return scrape;
}

Action Step::remove() {
  state_ = State::Removing;
  seen_.metadata.name = key_.name;
  seen_.metadata.namespace_name = key_.namespace_name;
  plan_.actions = {plan::RemoveChildren{}};
  return Apply{&seen_, &plan_.actions, nullptr};
}

// A change between two ticks is decided on the last scrape while that is young, else
// ticks would be all there is.
bool Step::wants_scrape(SteadyTime now) {
  auto const interval = in_force_.settings.interval;
  bool const due = now >= memory_.tick_due;
  bool const young = memory_.scraped_at && now - *memory_.scraped_at < interval / 2;
  // Ticks keep their beat, and do not pile up after a pause.
  due_ = due;
  if (due) memory_.tick_due = std::max(memory_.tick_due + interval, now + interval / 2);
  memory_.tick_due = std::min(memory_.tick_due, now + interval);  // the interval was shortened
  if (!due && young) return false;
  memory_.scraped_at = now;
  return true;
}

Action Step::scraped(scrape::Scrape scrape, Now now) {
  arrivals_ = std::exchange(scrape.arrivals, {});  // nobody needs them after this reconcile
  memory_.last_scrape = std::move(scrape);
  auto& last = memory_.last_scrape;
  if (last.sample) {
    memory_.sampled_at = last.sample->at;
    if (!last.answers.empty()) {
      double const target_seconds = std::chrono::duration<double>(in_force_.settings.latency_target).count();
      last.sample->late = scrape::late_answers(last.answers, target_seconds);
    }
    if (!last.quarantined.empty()) memory_.quarantine.add(last.quarantined);
    memory_.latency.add(last.sample->at, last.answers, last.sample->epoch);
  }
  return ask(now);
}

Action Step::ask(Now now) {
  auto const& settings = in_force_.settings;
  snapshot_ = {memory_.last_scrape.sample, plan::workers_of(seen_, settings, now.wall)};
  if (!due_ || !wants_question(memory_.webhook.get(), now.steady)) return decide(now);
  auto question = begin_question(*memory_.webhook, to_string(key_), settings, snapshot_, now.steady);
  state_ = State::Posting;
  return Post{memory_.webhook->of, std::move(question),
              answer_deadline(memory_.webhook->of, settings.interval)};
}

Action Step::decide(Now now) {
  snapshot_.called = memory_.called;
  snapshot_.untried = seen_.metadata.generation != seen_.status.observed_generation;
  snapshot_.answer = answer_of(memory_.webhook.get(), in_force_.settings.interval, now.steady);
  verdict_.webhook_fault.reset();
  if (snapshot_.answer) verdict_.webhook_fault = snapshot_.answer->failure;
  verdict_.decision_id = ids_.next();
  verdict_.decision = scaling::decide(in_force_.settings, memory_.state, snapshot_, now.steady);
  schedule::name_bounds(*verdict_.decision, in_force_);
  advise(now);
  settle_idle(now.steady);
  verdict_.maximum_by = in_force_.maximum_by;
  verdict_.metrics_fault = memory_.last_scrape.fault;
  verdict_.p50 = memory_.latency.quantile(0.5);
  verdict_.p99 = memory_.latency.quantile(0.99);
  verdict_.output = memory_.last_scrape.output;
  verdict_.precision = memory_.last_scrape.precision;
  verdict_.version = memory_.last_scrape.version;
  verdict_.mixed_versions = memory_.last_scrape.mixed_versions;
  verdict_.agreement = memory_.last_scrape.agreement;
  return plan_and_apply(now);
}

void Step::advise(Now now) {
  verdict_.advice.clear();
  auto const& spec = *seen_.spec;
  if (spec.advisors.empty()) return memory_.advice.reset();
  if (!memory_.advice) memory_.advice = std::make_unique<advice::Advice>();
  memory_.advice->take({.settings = in_force_.settings,
                        .advisors = spec.advisors,
                        .sample = snapshot_.sample,
                        .refused = memory_.last_scrape.refused,
                        .replicas = plan::granted(*verdict_.decision, seen_.shortage),
                        .existing = static_cast<int>(seen_.workers.size()),
                        .cores = api::worker_cores(spec),
                        .start_seconds = scaling::expected_start_seconds(memory_.state),
                        .queue_capacity = api::queue_capacity(spec),
                        .request_timeout = spec.dispatcher.request_timeout},
                       now.steady, now.wall);
  verdict_.advice = {memory_.advice->report()};
}

// A service that sleeps is looked at seldom; what woke it is kept until a worker is there.
void Step::settle_idle(SteadyTime now) {
  auto const& decision = *verdict_.decision;
  auto const& settings = in_force_.settings;
  memory_.called = decision.from == 0 && decision.to > 0;
  bool const asks_program = settings.policy == scaling::Policy::Webhook;
  bool const acts = !settings.paused && !settings.advise;
  idle_ = decision.reason == scaling::Reason::Idle ||
          (asks_program && acts && settings.min_replicas == 0 && decision.to == 0);
  // A program is asked as often as it was: it may know that requests will come. Advisors see every interval.
  if (!idle_ || asks_program || !seen_.spec->advisors.empty() || decision.from > 0) return;
  milliseconds const look = kIdleLook * (memory_.watched ? kWatchedFactor : 1);
  // The ids of decisions differ from service to service and from look to look.
  constexpr std::uint64_t kScatter = 0x9e3779b97f4a7c15ULL;
  auto const drawn = (ids_.given * kScatter) >> 32U;
  auto const more = milliseconds(static_cast<std::int64_t>(drawn) % (look.count() / 2));
  memory_.tick_due = now + look + more;
}

Action Step::plan_and_apply(Now now) {
  auto& failed = memory_.failed_write;
  if (failed && (failed->uid != seen_.metadata.uid || !seen_.spec)) failed.reset();
  if (failed && failed->generation != seen_.metadata.generation) {
    // An edit is tried at once. It need not be of the template: HPAs write spec.replicas.
    failed->generation = seen_.metadata.generation;
    failed->tries = 0;
    failed->next_try = now.steady;
  }
  bool const waits = failed && now.steady < failed->next_try;
  if (waits) verdict_.failure = failure_of(*failed, now.steady);
  make_plan(now);
  if (children_.empty()) return tell();
  state_ = waits ? State::Scaling : State::Applying;
  decided_.emplace(Decided{seen_, verdict_, plan_, in_force_.settings, snapshot_, now.steady, now.wall});
  return Apply{&seen_, &children_, &*decided_};
}

void Step::make_plan(Now now) {
  verdict_.unrecorded = memory_.unrecorded;
  verdict_.quarantined = memory_.quarantine.due(now.steady);
  if (memory_.status_written) {
    verdict_.since_status_write =
        std::chrono::duration_cast<milliseconds>(now.steady - *memory_.status_written);
  }
  plan_ = plan::make_plan(seen_, verdict_, now.wall);
  children_.clear();
  telling_.clear();
  for (auto const& action : plan_.actions) (is_told(action) ? telling_ : children_).push_back(action);
  bool const carried_out = !verdict_.failure || !verdict_.failure->count_refused;
  if (carried_out && verdict_.decision && verdict_.decision->from != plan_.status.desired_replicas) {
    memory_.unrecorded = plan_.status.last_decision;
  }
}

Action Step::tell() {
  state_ = State::Telling;
  if (telling_.empty()) return done();
  return Apply{&seen_, &telling_, nullptr};
}

Action Step::done() const {
  auto const* failed = tried_again_ ? memory_.failed_write.get() : nullptr;
  // Where not even the count can be written there is nothing to hurry for.
  if (count_error_) return Done{*count_error_, &telling_, failed};
  bool const goes_on = seen_.spec && !seen_.metadata.deleting;
  Done done{goes_on ? Next::Tick : Next::Wait, &telling_, failed, goes_on && idle_, {}};
  if (!done.idle || arrivals_.size() != targets_.size()) return done;
  for (std::size_t i = 0; i < targets_.size(); ++i)
    done.awaited.push_back({targets_[i].metrics_url, static_cast<std::uint64_t>(arrivals_[i])});
  return done;
}

void Step::note_failed_write(Error const& error, SteadyTime now) {
  auto& failed = memory_.failed_write;
  if (!failed)
    failed = std::make_unique<FailedWrite>(
        FailedWrite{{}, seen_.metadata.uid, seen_.metadata.generation, now, 0, {}});
  failed->error = error;
  ++failed->tries;
  failed->next_try = now + Workqueue::delay_after(failed->tries, error.retry_after.value_or(milliseconds(0)));
  tried_again_ = true;
}

Action Step::children_failed(Error const& error, Now now) {
  // This operator may not write any more.
  if (error.kind == ErrorKind::Canceled) return Done{error};
  if (state_ == State::Applying) {
    note_failed_write(error, now.steady);
    verdict_.failure = failure_of(*memory_.failed_write, now.steady);
    make_plan(now);
    state_ = State::Scaling;
    return Apply{&seen_, &children_, nullptr};
  }
  count_error_ = error;
  auto& failure = *verdict_.failure;
  failure.count_refused = true;
  if (failure.error.message != error.message) failure.error.message += "; the count alone: " + error.message;
  make_plan(now);
  return tell();
}

Action Step::applied(Result<void> outcome, Now now) {
  switch (state_) {
    case State::Removing:
      if (!outcome) return Done{outcome.error()};
      return Done{Next::Gone};
    case State::Applying:
      if (!outcome) return children_failed(outcome.error(), now);
      memory_.failed_write.reset();
      return tell();
    case State::Scaling:
      if (!outcome) return children_failed(outcome.error(), now);
      return tell();
    default:
      if (!outcome) return Done{outcome.error()};
  }
  if (verdict_.quarantined > 0) memory_.quarantine.told(now.steady);
  if (writes_status(telling_)) {
    memory_.status_written = now.steady;
    memory_.unrecorded.reset();
  }
  return done();
}

}  // namespace ei::reconcile
