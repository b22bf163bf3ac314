#include "operator/plan/rollout.hpp"

#include <algorithm>

namespace ei::plan {
namespace {

using State = Rollout::State;

bool leaves(DispatcherInstance const&) {
  return false;
}
bool leaves(WorkerInstance const& worker) {
  return worker.terminating;
}

template <class Instances>
Tally tally(Instances const& instances, int wanted) {
  Tally tally;
  tally.wanted = wanted;
  for (auto const& each : instances) {
    if (leaves(each)) continue;
    ++tally.running;
    tally.old += each.outdated ? 1 : 0;
    tally.ready += each.ready ? 1 : 0;
    tally.new_ready += each.ready && !each.outdated ? 1 : 0;
  }
  return tally;
}

/// The first one that is not ready and says why.
template <class Instances>
Trouble const* first_trouble(Instances const& instances, bool outdated) {
  for (auto const& each : instances) {
    if (!leaves(each) && !each.ready && each.outdated == outdated && each.trouble) return &*each.trouble;
  }
  return nullptr;
}

std::optional<Trouble> told_failure(Verdict const& verdict) {
  if (!verdict.failure || !verdict.failure->told) return std::nullopt;
  auto const& failure = *verdict.failure;
  bool const refused = failure.error.kind != ErrorKind::Unavailable &&
                       failure.error.kind != ErrorKind::Timeout && failure.error.kind != ErrorKind::Conflict;
  return Trouble{refused ? "Refused" : "WriteFails", failure.error.message, failure.lasting};
}

template <class Instances>
std::optional<Trouble> any_trouble(Instances const& instances, Verdict const& verdict) {
  if (auto failure = told_failure(verdict)) return failure;
  for (bool const outdated : {false, true}) {
    if (auto const* trouble = first_trouble(instances, outdated)) return *trouble;
  }
  return std::nullopt;
}

std::string of(int part, int whole, std::string_view noun, std::string_view rest) {
  return std::to_string(part) + " of " + std::to_string(whole) + " " + std::string(noun) +
         (whole == 1 ? " is " : "s are ") + std::string(rest);
}

/// `2 of 5 workers are on the new version`; of the kinds that are not there yet.
std::string progress(Counts const& counts) {
  std::string text;
  auto const add = [&](Tally const& tally, std::string_view noun) {
    if (tally.arrived()) return;
    if (!text.empty()) text += " and ";
    bool const replaced = tally.old > 0;
    text += of(tally.new_ready, tally.wanted, noun, replaced ? "on the new version" : "ready");
  };
  add(counts.workers, "worker");
  add(counts.dispatchers, "dispatcher");
  return text;
}

/// Whether the service was stalled at this generation already, which then ends only by a process that is
/// ready: between two tries nothing but the last one's trouble shows.
bool was_stalled(Observation const& seen) {
  auto const* old = find_condition(seen.status.conditions, api::kStalled);
  return old && old->status == api::ConditionStatus::True &&
         old->observed_generation == seen.metadata.generation;
}

/// What ends a start or a rollout of one kind, where none of its new processes ever gets ready.
template <class Instances>
std::optional<Rollout> dead_end(Instances const& instances, Tally const& tally,
                                std::optional<Trouble> const& overdue, bool stalled, std::string_view noun,
                                std::string_view field) {
  if (tally.arrived()) return std::nullopt;
  auto const* trouble = first_trouble(instances, false);
  bool const hopeless = tally.new_ready == 0 && trouble && (trouble->lasting || stalled);
  if (!hopeless && !overdue) return std::nullopt;
  auto const& why = trouble ? *trouble : *overdue;
  std::string message = tally.old > 0 ? of(tally.new_ready, tally.wanted, noun, "on the new version")
                                      : of(tally.new_ready, tally.wanted, noun, "ready");
  message += " (" + why.reason + ": " + why.message + ")";
  if (tally.ready > tally.new_ready) message += ", and workers of the old version still serve";
  message += ": correct " + std::string(field);
  if (tally.old > 0) message += ", or take the edit back";
  return Rollout{State::Stalled, tally.new_ready == 0 ? "CannotStart" : why.reason, std::move(message)};
}

}  // namespace

Counts count(Observation const& seen, Verdict const& verdict) {
  int const workers =
      verdict.decision ? granted(*verdict.decision, seen.shortage) : seen.worker_replicas.value_or(0);
  return {tally(seen.dispatchers, seen.spec ? seen.spec->dispatcher.replicas : 0),
          tally(seen.workers, workers),
          tally(seen.standbys, verdict.decision ? verdict.decision->standby : 0)};
}

std::optional<Trouble> standby_trouble(Observation const& seen) {
  for (bool const outdated : {false, true}) {
    if (auto const* trouble = first_trouble(seen.standbys, outdated)) return *trouble;
  }
  return std::nullopt;
}

std::optional<Trouble> dispatcher_trouble(Observation const& seen, Verdict const& verdict) {
  if (auto trouble = any_trouble(seen.dispatchers, verdict)) return trouble;
  return seen.dispatcher_shortage;
}

std::optional<Trouble> worker_trouble(Observation const& seen, Verdict const& verdict) {
  if (auto trouble = any_trouble(seen.workers, verdict)) return trouble;
  // With a maximum it is what decisions keep to, and keeps no worker from being ready.
  if (!seen.shortage || seen.shortage->maximum) return std::nullopt;
  return Trouble{seen.shortage->reason, seen.shortage->message};
}

bool is_unwritten(Observation const& seen, Verdict const& verdict, Counts const& counts) {
  if (!verdict.failure || counts.workers.wanted > 0) return false;
  auto const* ready = find_condition(seen.status.conditions, api::kReady);
  return !ready || ready->status != api::ConditionStatus::True ||
         ready->observed_generation != seen.metadata.generation;
}

// advice alone | wanted | ready | was Idle or Waking at this generation | trouble, or old ones | result
//     yes      |   0    |   -   |                  -                    |          -           | No
//     no       |   0    |   -   |                  -                    |          -           | Idle
//      -       |   1…   |   0   |                 yes                   |          no          | Waking
//      -       |   1…   |   -   |                  -                    |          -           | No
// Where nothing but advice is given, nobody would come for a request.
Sleep sleep_of(Observation const& seen, Verdict const& verdict, Counts const& counts) {
  if (!seen.spec || !verdict.decision) return Sleep::No;
  auto const& scaling = seen.spec->scaling;
  if (verdict.decision->to == 0) return scaling.paused || scaling.advise ? Sleep::No : Sleep::Idle;
  auto const* ready = find_condition(seen.status.conditions, api::kReady);
  bool const slept = ready && ready->status == api::ConditionStatus::True &&
                     (ready->reason == kIdle || ready->reason == kWaking) &&
                     ready->observed_generation == seen.metadata.generation;
  bool const smooth = !told_failure(verdict) && !worker_trouble(seen, verdict) && !seen.workers_overdue &&
                      counts.workers.old == 0 && counts.dispatchers.arrived();
  return slept && smooth && counts.workers.ready == 0 && counts.workers.wanted > 0 ? Sleep::Waking
                                                                                   : Sleep::No;
}

// spec   | a child    | new processes          | old ones | result
// none   |     -      |           -            |    -     | Stalled, InvalidSpec
// faulty |     -      |           -            |    -     | Stalled, InvalidEdit
// valid  | refused    |           -            |    -     | Stalled, Refused
//        | fails      |           -            |    -     | Moving, then Stalled, WriteFails
//        | undone     |           -            |    -     | Stalled, WritesUndone
//        | unwritten  | none are wanted        |    -     | Moving, RollingOut
//        | written    | none, and why lasts    |    -     | Stalled, CannotStart
//        |            | the backend gave up    |    -     | Stalled, its reason
//        |            |           -            |   yes    | Moving, RollingOut
//        |            | none                   |   none   | Moving, Starting
//        |            | yes                    |   none   | Arrived
Rollout rollout_of(Observation const& seen, Verdict const& verdict, Counts const& counts) {
  auto const faults = to_string(seen.errors);
  if (!seen.spec)
    return {State::Stalled, "InvalidSpec",
            faults.empty() ? "there is no spec" : faults + ": correct the spec"};
  if (!faults.empty())
    return {State::Stalled, "InvalidEdit", "the previous spec is in force: " + faults + ": correct the spec"};
  if (auto const failure = told_failure(verdict)) {
    auto const state = failure->lasting ? State::Stalled : State::Moving;
    auto message = failure->message + ": what was accepted last is in force, and the write is tried again";
    if (failure->lasting) message += "; remove what refuses it, or take the edit back";
    return {state, failure->reason, std::move(message)};
  }
  if (!seen.contested.empty()) return {State::Stalled, "WritesUndone", seen.contested};
  bool const stalled = was_stalled(seen);
  if (auto end = dead_end(seen.workers, counts.workers, seen.workers_overdue, stalled, "worker",
                          "spec.model or spec.worker"))
    return *end;
  if (auto end = dead_end(seen.dispatchers, counts.dispatchers, seen.dispatchers_overdue, stalled,
                          "dispatcher", "spec.dispatcher or the operator's --dispatcher-image"))
    return *end;
  if (is_unwritten(seen, verdict, counts))
    return {State::Moving, "RollingOut", "the newest version is not written yet"};
  if (counts.arrived()) return {State::Arrived, "Arrived", "all that runs is of the newest version"};
  if (sleep_of(seen, verdict, counts) == Sleep::Waking)
    return {State::Arrived, std::string(kWaking), "a worker starts, as requests wait"};
  bool const replaces = counts.workers.old > 0 || counts.dispatchers.old > 0;
  auto message = progress(counts);
  if (counts.workers.old > 0 && !verdict.mixed_versions.empty()) message += "; " + verdict.mixed_versions;
  auto const trouble =
      counts.workers.arrived() ? dispatcher_trouble(seen, verdict) : worker_trouble(seen, verdict);
  if (trouble) message += ": " + trouble->message;
  return {State::Moving, replaces ? "RollingOut" : "Starting", std::move(message)};
}

}  // namespace ei::plan
