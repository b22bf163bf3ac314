#pragma once

#include "operator/plan/conditions.hpp"
#include "operator/plan/plan.hpp"

// A healthy service and a decision that changes nothing: tests change what they are about.
namespace ei::plan::example {

inline WallTime const kNow = parse_rfc3339("2026-01-01T12:00:00Z").value();

inline WorkerInstance ready_worker(std::string name) {
  using namespace std::chrono_literals;
  return {std::move(name), kNow - 60s, true, kNow - 58s, {}, false, {}};
}

inline WorkerInstance starting_worker(std::string name, milliseconds age) {
  return {std::move(name), kNow - age, false, {}, kNow - age, false, {}};
}

inline Observation service(int workers = 2) {
  Observation seen;
  seen.metadata.name = "resnet18";
  seen.metadata.generation = 7;
  seen.spec = api::Spec{};
  seen.dispatchers = {{"dispatcher-0", "1", "http://127.0.0.1:9000/metrics", true, {}}};
  seen.worker_replicas = workers;
  for (int i = 0; i < workers; ++i) seen.workers.push_back(ready_worker("worker-" + std::to_string(i)));
  seen.endpoint = "http://127.0.0.1:8001";
  return seen;
}

inline scaling::Decision steady(int workers = 2) {
  scaling::Decision decision;
  decision.from = decision.to = workers;
  decision.inputs.sample = scaling::SampleUse::Fresh;
  decision.inputs.queue = 0;
  decision.formula = "n = 2";
  return decision;
}

inline scaling::Decision change(int from, int to, scaling::Reason reason, std::string formula) {
  auto decision = steady(from);
  decision.to = to;
  decision.reason = reason;
  decision.formula = std::move(formula);
  return decision;
}

inline Verdict verdict(scaling::Decision decision) {
  Verdict result;
  result.decision_id = "d-1";
  result.decision = std::move(decision);
  return result;
}

/// The service after its plan was carried out.
inline Observation settled(Observation seen, Verdict const& last) {
  seen.status = make_plan(seen, last, kNow).status;
  return seen;
}

template <class Wanted>
std::vector<Wanted> all(Plan const& made) {
  std::vector<Wanted> found;
  for (auto const& action : made.actions) {
    if (auto const* wanted = std::get_if<Wanted>(&action)) found.push_back(*wanted);
  }
  return found;
}

/// `Reason: message` of every event.
inline std::vector<std::string> events(Plan const& made) {
  std::vector<std::string> texts;
  for (auto const& event : all<RecordEvent>(made)) texts.push_back(event.reason + ": " + event.message);
  return texts;
}

/// `Status reason: message` of a condition.
inline std::string shown(Observation const& seen, Verdict const& last, std::string_view type) {
  auto const conditions = next_conditions(seen, last, kNow);
  auto const* condition = find_condition(conditions, type);
  if (!condition) return "absent";
  return std::string(to_string(condition->status)) + " " + condition->reason + ": " + condition->message;
}

}  // namespace ei::plan::example
