#include "operator/scaling/idle.hpp"

#include "operator/scaling/text.hpp"

#include <algorithm>
#include <utility>

namespace ei::scaling {
namespace {

/// At zero without data nobody would see a request. A dispatcher that restarts is back sooner, so that an
/// update of many idle services does not start a worker for each of them.
constexpr std::chrono::seconds kBlindAtZero{10};

/// External says itself when there is to be nobody, and when somebody again.
bool governs(Settings const& settings) {
  return settings.min_replicas == 0 && settings.policy != Policy::External;
}

/// A program says itself when the last worker goes. It does not have to be there when a request comes.
bool is_programs(Decision const& decision) {
  return decision.term == Term::Webhook || decision.reason == Reason::WebhookFailed;
}

/// The gauges of a sample after a reset are as good as any; what its counters say began with it.
bool has_gauges(SampleUse use) {
  return use == SampleUse::Fresh || use == SampleUse::Repeated || use == SampleUse::CounterReset;
}

bool holds_requests(Sample const& sample) {
  return sample.queue > 0 || sample.in_flight > 0;
}

/// How many requests came since the sample before, as far as anybody can tell. After a reset nobody can: of
/// several dispatchers only one may have begun anew.
double newly_arrived(State const& state, SampleUse use) {
  auto const& samples = state.samples;
  return use != SampleUse::Fresh || samples.size() < 2
             ? 0
             : samples.back().arrivals - samples[samples.size() - 2].arrivals;
}

// called | sample        | requests since the last | waiting | quiet since
//  yes   |      -        |            -            |    -    | now
//  no    | none          |            -            |    -    | as before: the counters will tell what came
//  no    | first, reset  |            -            |    -    | now: nobody knows what was before
//  no    | usable        |           yes           |    -    | now
//  no    | usable        |            -            |   yes   | now
//  no    | usable        |           no            |   no    | as before
void note_quiet(State& state, Snapshot const& snapshot, SampleUse use, Time now) {
  bool const first = !state.quiet_since || use == SampleUse::CounterReset;
  bool const moved =
      has_gauges(use) && (first || newly_arrived(state, use) > 0 || holds_requests(*snapshot.sample));
  if (snapshot.called || snapshot.untried || moved) state.quiet_since = now;
}

bool is_idle(Settings const& settings, State const& state, Snapshot const& snapshot, SampleUse use,
             Time now) {
  bool const known = use == SampleUse::Fresh || use == SampleUse::Repeated;
  return known && state.quiet_since && now - *state.quiet_since >= settings.idle_after &&
         snapshot.workers.ready() > 0;
}

void put(Decision& decision, int to, Reason reason, Term term, Limit limit, std::string formula) {
  decision.to = to;
  decision.reason = reason;
  decision.term = term;
  decision.limit = limit;
  decision.formula = decision.why_not_more = decision.why_not_less = std::move(formula);
}

void from_some(Settings const& settings, State const& state, Snapshot const& snapshot, SampleUse use,
               Time now, Decision& decision) {
  double const idle_after_seconds = Seconds(settings.idle_after).count();
  if (is_programs(decision)) {
    if (decision.to > 0 || !has_gauges(use) || !holds_requests(*snapshot.sample)) return;
    decision.to = 1;
    decision.limit = Limit::IdleAfter;
    if (decision.from == 1) decision.reason = Reason::UsedLately;
    decision.why_not_less = "the last worker stays while requests wait or are computed";
  } else if (is_idle(settings, state, snapshot, use, now)) {
    put(decision, 0, Reason::Idle, Term::None, Limit::None,
        text("no request for %g s", Seconds(now - *state.quiet_since).count()));
  } else if (decision.to < 1) {
    decision.to = 1;
    decision.limit = Limit::IdleAfter;
    if (decision.from == 1) decision.reason = Reason::UsedLately;
    decision.why_not_less =
        snapshot.workers.ready() == 0
            ? "the last worker goes when it has become ready once"
            : text("the last worker goes %g s after the last request", idle_after_seconds);
  }
}

void from_zero(State const& state, Snapshot const& snapshot, SampleUse use, Time now, Decision& decision) {
  if (decision.term == Term::MetricsLoss) return;
  double const waiting = has_gauges(use) ? snapshot.sample->queue + snapshot.sample->in_flight : 0;
  double const came = newly_arrived(state, use);
  bool const wakes = snapshot.called || waiting > 0 || came > 0;
  bool const programs = is_programs(decision);
  if (wakes) {
    // What the policy asks for beyond one worker, it asks for in its own words.
    std::string why = text("%.0f waiting, %.0f came since the last look%s", waiting, came,
                           snapshot.called ? ", and a dispatcher reported a request" : "");
    // The sample may be a little older than the call.
    if (waiting == 0 && came == 0) why = "a dispatcher reported a request";
    bool const more = decision.to > 1;
    put(decision, std::max(decision.to, 1), Reason::Woken, more ? decision.term : Term::Wake, decision.limit,
        more ? why + "; " + decision.formula : why);
  } else if (snapshot.untried && !programs) {
    put(decision, 1, Reason::TriesSpec, Term::Wake, Limit::None, "one worker tries the new spec");
  } else if (!has_gauges(use)) {
    bool const long_blind = state.blind_since && now - *state.blind_since >= kBlindAtZero;
    if (long_blind)
      put(decision, 1, Reason::MetricsMissing, Term::MetricsLoss, Limit::NoData,
          "no usable metrics, so nobody would see a request: one worker");
  } else if (!programs) {
    put(decision, 0, Reason::Idle, Term::None, Limit::None, "no request waits");
  }
}

}  // namespace

void apply_idle(Settings const& settings, State& state, Snapshot const& snapshot, SampleUse use, Time now,
                Decision& decision) {
  if (!governs(settings)) {
    state.quiet_since.reset();
    return;
  }
  note_quiet(state, snapshot, use, now);
  if (snapshot.workers.current > 0) {
    from_some(settings, state, snapshot, use, now, decision);
  } else {
    from_zero(state, snapshot, use, now, decision);
  }
}

}  // namespace ei::scaling
