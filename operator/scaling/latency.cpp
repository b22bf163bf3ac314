#include "operator/scaling/latency.hpp"

#include "operator/scaling/load.hpp"
#include "operator/scaling/text.hpp"

#include <algorithm>
#include <cmath>

namespace ei::scaling {
namespace {

constexpr double kLeastHoldSeconds = 5;    // a lull between two bursts of Poisson noise is shorter
constexpr double kStandbyHoldSeconds = 2;  // who is given up becomes a standby, and is back at once

Inputs inputs_of(Load const& load, Sample const& sample) {
  Inputs in;
  in.arrival_rps = load.arrival_rps;
  in.burst_rps = load.burst_rps;
  if (load.service) {
    in.service_seconds = load.service->seconds;
    in.service_cv2 = load.service->cv2;
    in.longest_wait_seconds = load.wait_seconds;
    if (load.arrival_rps) in.offered_load = load.offered;
  }
  in.queue = sample.queue;
  in.in_flight = sample.in_flight;
  in.oldest_age_seconds = sample.oldest_age_seconds;
  return in;
}

/// Keeps what each decision of the last `keep_seconds` needed, this one included.
void note_need(State& state, int need, double keep_seconds, Time now) {
  auto& needs = state.needs;
  auto const expired = [&](State::Need const& old) { return Seconds(now - old.at).count() > keep_seconds; };
  while (!needs.empty() && expired(needs.front())) needs.erase(needs.begin());
  // A later need that is as large outlives the earlier one: what stays falls strictly, so the list is short.
  while (!needs.empty() && needs.back().workers <= need) needs.pop_back();
  needs.push_back({now, need});
}

/// The most any decision of the last `hold_seconds` needed.
int most_needed(State const& state, double hold_seconds, Time now) {
  for (State::Need const& need : state.needs) {
    if (Seconds(now - need.at).count() <= hold_seconds) return need.workers;
  }
  return 0;
}

/// A surge that makes requests late, while as many workers as it needs were here within the cooldown and were
/// let go: these would have served it. From then on they are kept until a whole cooldown has passed in which
/// they were not needed.
void note_recurrence(Settings const& settings, Load const& load, Sample const& sample, State& state,
                     Workers const& workers, int need, Seconds hold, Time now) {
  if (load.burst_rps) {
    bool const goes_on = state.surge && now - state.surge->seen <= hold;
    int const before = goes_on               ? state.surge->needed_before
                       : state.needs.empty() ? 0
                                             : state.needs.front().workers;
    state.surge = State::Surge{before, now};
    // One second alone may be noise.
    bool const hurts = goes_on && load.service && sample.oldest_age_seconds > load.wait_seconds &&
                       need > workers.ready() && is_over_late_budget(state);
    int const known = state.recurrence ? state.recurrence->workers : 0;
    if (hurts && before >= need && need > known) state.recurrence = State::Recurrence{need, {}};
  }
  auto& recurrence = state.recurrence;
  if (recurrence && need >= recurrence->workers) recurrence->until = now + settings.cooldown;
  if (recurrence && now >= recurrence->until) recurrence.reset();
}

/// Tells what is held and since when, and gives the usual hold: a few seconds or a
/// start, whichever is longer.
double hold(Settings const& settings, Load const& load, Snapshot const& snapshot, State& state, int need,
            Time now, Inputs& in) {
  double const cooldown_seconds = Seconds(settings.cooldown).count();
  double const least_seconds = load.standbys > 0 ? kStandbyHoldSeconds : kLeastHoldSeconds;
  double const usual_seconds = std::min(cooldown_seconds, std::max(least_seconds, load.react_seconds));
  int const possible = std::min(need, std::max(settings.min_replicas, settings.max_replicas));
  note_recurrence(settings, load, *snapshot.sample, state, snapshot.workers, possible, Seconds(usual_seconds),
                  now);
  note_need(state, possible, cooldown_seconds, now);
  in.recurring_workers = state.recurrence ? state.recurrence->workers : 0;
  in.held_workers = most_needed(state, usual_seconds, now);
  int const recurring = std::min(in.recurring_workers, most_needed(state, cooldown_seconds, now));
  in.hold_seconds = recurring > in.held_workers ? cooldown_seconds : usual_seconds;
  in.held_workers = std::max(in.held_workers, recurring);
  return usual_seconds;
}

Reason reason_for_more(Term term) {
  switch (term) {
    case Term::Burst:
      return Reason::BurstSeen;
    case Term::Backlog:
      return Reason::BacklogGrew;
    case Term::QueueTarget:
      return Reason::QueueOverTarget;
    case Term::ServiceUnknown:
      return Reason::ServiceUnknown;
    default:
      return Reason::LoadRose;
  }
}

/// What the standbys are reckoned with for.
std::string beside_standbys(Load const& load, Inputs const& in) {
  if (load.standbys == 0) return {};
  return text(", and with %d on standby %.4f at %.1f s", load.standbys,
              load.late_with_standbys(in.load_workers - in.spare_workers), load.far.seconds);
}

std::string formula_of(Settings const& settings, State const& state, Load const& load,
                       Decision const& decision) {
  Inputs const& in = decision.inputs;
  double const service_seconds = in.service_seconds.value_or(0);
  switch (decision.term) {
    case Term::Load:
      return text("load: %.2f/s x %.3f s = %.2f busy, late(%d, %.1f s ahead) = %.4f <= %.2f, spare %d",
                  in.arrival_rps.value_or(0), service_seconds, load.offered,
                  in.load_workers - in.spare_workers, in.outlook_seconds,
                  load.late_with(in.load_workers - in.spare_workers), in.accepted_late_ratio,
                  in.spare_workers) +
             beside_standbys(load, in);
    case Term::Burst:
      return text("burst: rising from %.2f/s to %.2f/s x %.3f s needs %d", in.arrival_rps.value_or(0),
                  in.burst_rps.value_or(0), service_seconds, in.burst_workers);
    case Term::Backlog:
      return text("backlog: ceil(%.2f busy + %.0f waiting x %.3f s / %.0f s) = %d", load.offered,
                  in.queue.value_or(0), service_seconds, kDrainSeconds, in.backlog_workers);
    case Term::QueueTarget:
      return text("queue target: ceil(%d x %.0f waiting / %d) = %d", state.sampled_replicas,
                  in.queue.value_or(0), settings.queue_target, in.queue_target_workers);
    case Term::ServiceUnknown:
      return text("service time unknown: %.0f waiting, %d starting", in.queue.value_or(0), in.starting);
    default:
      return "no load";
  }
}

/// The largest term; of equal ones the first, so that the plainest explanation is given.
int strongest_term(Decision& decision, int unknown_service_workers) {
  Inputs const& in = decision.inputs;
  struct Candidate {
    Term term;
    int workers;
  };
  int most = 0;
  for (Candidate const candidate :
       {Candidate{Term::Load, in.load_workers}, Candidate{Term::Burst, in.burst_workers},
        Candidate{Term::Backlog, in.backlog_workers}, Candidate{Term::QueueTarget, in.queue_target_workers},
        Candidate{Term::ServiceUnknown, unknown_service_workers}}) {
    if (candidate.workers <= most) continue;
    most = candidate.workers;
    decision.term = candidate.term;
  }
  return most;
}

void settle(Decision& decision, int need, int minimum, bool window_observed) {
  Inputs const& in = decision.inputs;
  // At the minimum nothing is held back: the bound itself is what keeps the rest.
  if (need >= decision.from || decision.from <= minimum) {
    decision.to = need;
    decision.reason = need > decision.from ? reason_for_more(decision.term) : Reason::Steady;
    return;
  }
  auto const not_yet = [&](Reason reason, Limit limit) {
    decision.reason = reason;
    decision.limit = limit;
  };
  decision.to = window_observed ? std::min(decision.from, in.held_workers) : decision.from;
  if (!window_observed) {
    not_yet(Reason::ObservingFirst, Limit::FirstWindow);
    decision.why_not_less = text("%d would do, but %.1f s have not been observed yet", need, in.hold_seconds);
  } else if (decision.to > need) {
    not_yet(decision.to == decision.from ? Reason::HoldingAfterLoad : Reason::LoadFell, Limit::HoldWindow);
    decision.why_not_less = text("%d would do now, but %d were needed within the last %.1f s", need,
                                 in.held_workers, in.hold_seconds);
  } else {
    decision.reason = Reason::LoadFell;
  }
}

/// Of `count`, which is what is really asked for.
void explain(Load const& load, Decision& decision, int count) {
  if (load.service && load.arrival_rps) decision.inputs.late_ratio = load.late_with(count);
  if (decision.why_not_more.empty()) {
    decision.why_not_more = decision.inputs.late_ratio
                                ? text("%d leave %.4f late", count, *decision.inputs.late_ratio)
                                : std::string("nothing asks for more");
  }
  if (!decision.why_not_less.empty()) return;
  if (decision.term == Term::Load && count > 0) {
    decision.why_not_less = text("%d would leave %.4f late", count - 1, load.late_with(count - 1));
  } else if (decision.term != Term::None) {
    decision.why_not_less = decision.formula;
  }
}

}  // namespace

Decision decide_latency(Settings const& settings, State& state, Snapshot const& snapshot, Time now) {
  Workers const& workers = snapshot.workers;
  Sample const& sample = *snapshot.sample;
  Load const load = measure_load(settings, state, workers);

  Decision decision;
  decision.from = workers.current;
  Inputs& in = decision.inputs = inputs_of(load, sample);
  in.starting = workers.starting();
  note_lateness(load, state, workers.ready());
  double const accepted = accepted_late_ratio(state);
  in.accepted_late_ratio = accepted;
  in.recent_late_ratio = recent_late_ratio(state);
  in.outlook_seconds = load.outlook.seconds;
  int const needed = load.workers_for_load(accepted);
  in.spare_workers = spare_workers(needed, load.start_seconds, load.standbys);
  in.load_workers = needed + in.spare_workers;
  in.burst_workers = load.workers_for_burst(accepted);
  in.backlog_workers = backlog_workers(load, sample, static_cast<int>(workers.list.size()));
  // Relative to the count that this sample was seen under: the decision's own effect comes back as a change
  // of the cluster, long before the next sample, and must not multiply it again.
  in.queue_target_workers = queue_target_workers(settings, sample, state.sampled_replicas);
  // What waited for the start of the worker that it woke is no reason for another one, unless it waits on for
  // longer than the start explains.
  bool const waits_on =
      sample.oldest_age_seconds > load.start_seconds + Seconds(settings.latency_target).count();
  bool const ask_one_more = !load.service && sample.queue > 0 && in.starting == 0 &&
                            (settings.min_replicas > 0 || (workers.ready() > 0 && waits_on));
  int need = strongest_term(decision, ask_one_more ? state.sampled_replicas + 1 : 0);

  bool const load_known = load.arrival_rps && (load.service || (*load.arrival_rps == 0 && sample.queue == 0));
  if (!load_known) {
    need = std::max(need, workers.current);
    decision.why_not_less = "the load is not known yet";
  }
  double const usual_hold_seconds = hold(settings, load, snapshot, state, need, now, in);
  bool const window_observed =
      state.observing_since && Seconds(now - *state.observing_since).count() >= usual_hold_seconds;

  decision.formula = formula_of(settings, state, load, decision);
  settle(decision, need, settings.min_replicas, window_observed);
  int const most = std::max(settings.min_replicas, settings.max_replicas);
  bool const kept = settings.paused || settings.advise;
  explain(load, decision, kept ? workers.current : std::clamp(decision.to, settings.min_replicas, most));
  return decision;
}

}  // namespace ei::scaling
