#include "operator/plan/verdict.hpp"

#include <algorithm>
#include <chrono>

#include "operator/scaling/words.hpp"
#include "runtime/core/encoding.hpp"

namespace ei::plan {
namespace {

double seconds_between(WallTime from, WallTime to) {
  // Two machines' clocks may disagree: nothing happens in the future.
  return std::max(0.0, std::chrono::duration<double>(to - from).count());
}

/// Whether a worker of the new template, or of an old one, was ever ready.
bool has_worked(Observation const& seen, bool outdated) {
  auto const worked = [&](WorkerInstance const& each) {
    return each.outdated == outdated && (each.ready || each.first_ready);
  };
  return std::any_of(seen.workers.begin(), seen.workers.end(), worked) ||
         std::any_of(seen.standbys.begin(), seen.standbys.end(), worked);
}

}  // namespace

schedule::InForce settings_in_force(api::Spec const& spec, std::optional<Shortage> const& shortage,
                                    WallTime now) {
  auto in_force = schedule::in_force(spec.scaling, spec.schedule, now);
  auto& settings = in_force.settings;
  if (shortage && shortage->maximum && *shortage->maximum < settings.max_replicas) {
    // A policy reckons with at least one worker; `granted` takes that one away too
    // where there is no room at all.
    settings.max_replicas = std::clamp(*shortage->maximum, 1, settings.max_replicas);
    settings.min_replicas = std::min(settings.min_replicas, settings.max_replicas);
    in_force.maximum_by.clear();
  }
  return in_force;
}

scaling::Workers workers_of(Observation const& seen, scaling::Settings const& settings, WallTime now) {
  scaling::Workers workers;
  auto const remembered =
      std::clamp(seen.status.desired_replicas, settings.min_replicas, settings.max_replicas);
  workers.current = seen.worker_replicas.value_or(remembered);
  auto const seen_by_policy = [&](std::vector<WorkerInstance> const& instances) {
    std::vector<scaling::Worker> list;
    for (auto const& each : instances) {
      if (each.terminating) continue;
      scaling::Worker worker{each.name, each.ready, 0, {}};
      worker.proven = has_worked(seen, each.outdated);
      if (each.not_ready_since) worker.not_ready_seconds = seconds_between(*each.not_ready_since, now);
      if (each.first_ready) worker.start_seconds = seconds_between(each.created, *each.first_ready);
      list.push_back(std::move(worker));
    }
    return list;
  };
  workers.list = seen_by_policy(seen.workers);
  workers.standbys = seen_by_policy(seen.standbys);
  return workers;
}

int granted(scaling::Decision const& decision, std::optional<Shortage> const& shortage) {
  return shortage && shortage->maximum ? std::min(decision.to, *shortage->maximum) : decision.to;
}

api::Explanation explanation_of(scaling::Decision const& decision) {
  auto const cut = [](std::string const& text) { return std::string(clipped(text, api::kExplanationBytes)); };
  return {cut(scaling::measured_in_words(decision.inputs)),
          cut(scaling::terms_in_words(decision.inputs, scaling::name(decision.term))),
          cut(scaling::limit_in_words(scaling::name(decision.limit))), cut(decision.why_not_more),
          cut(decision.why_not_less)};
}

api::DecisionRecord record_of(std::string id, scaling::Decision const& decision, int to, WallTime now) {
  return {std::move(id),
          std::chrono::floor<milliseconds>(now),
          decision.from,
          to,
          std::string(scaling::name(decision.reason)),
          decision.formula};
}

}  // namespace ei::plan
