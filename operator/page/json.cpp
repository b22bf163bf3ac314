#include "operator/page/json.hpp"

#include <algorithm>
#include <cmath>

#include "operator/scaling/words.hpp"
#include "runtime/core/units.hpp"

namespace ei::page {

namespace json = boost::json;

std::string_view name(State state) {
  switch (state) {
    case State::Trouble:
      return "trouble";
    case State::Limited:
      return "limited";
    case State::Starting:
      return "starting";
    case State::Paused:
      return "paused";
    case State::Ready:
      return "ready";
    case State::Idle:
      return "idle";
  }
  return "ready";
}

State state_of(api::Status const& status) {
  auto const holds = [&](std::string_view type) {
    auto const* const found = find_condition(status.conditions, type);
    return found != nullptr && found->status == api::ConditionStatus::True;
  };
  auto const starts = [&](std::string_view type) {
    auto const* const found = find_condition(status.conditions, type);
    return found == nullptr || found->status == api::ConditionStatus::True || found->reason == "Starting";
  };
  if (!holds(api::kReady))
    return starts(api::kWorkersReady) && starts(api::kDispatcherReady) ? State::Starting : State::Trouble;
  if (holds(api::kScalingLimited) || holds(api::kStalled)) return State::Limited;
  if (holds(api::kPaused)) return State::Paused;
  return status.desired_replicas == 0 ? State::Idle : State::Ready;
}

std::int64_t unix_milliseconds(WallTime time) {
  return std::chrono::floor<milliseconds>(time.time_since_epoch()).count();
}

json::array json_of(std::vector<Since> const& samples) {
  json::array out;
  out.reserve(samples.size());
  for (auto const& [second, s] : samples) {
    // A float as the double that people would write: 12.3, not 12.300000190734863.
    auto const arrivals = std::round(static_cast<double>(s.arrival_rps) * 10) / 10;
    auto const& latency = s.latency;
    out.push_back(json::array{second, arrivals, s.queue, s.in_flight,
                              latency ? json::value(latency->p99) : json::value(), s.ready, s.starting,
                              s.leaving, s.desired, latency ? json::value(latency->p50) : json::value()});
  }
  return out;
}

json::array json_of(std::vector<api::Condition> const& conditions) {
  json::array out;
  for (auto const& each : conditions) {
    out.push_back(json::object{{"type", each.type},
                               {"status", to_string(each.status)},
                               {"reason", each.reason},
                               {"message", each.message},
                               {"since", unix_milliseconds(each.last_transition)}});
  }
  return out;
}

json::array json_of(std::vector<plan::WorkerInstance> const& workers,
                    std::vector<plan::WorkerInstance> const& standbys, WallTime now) {
  json::array out;
  auto const add = [&](plan::WorkerInstance const& each, char const* ready) {
    auto const age = std::max<std::int64_t>(unix_seconds(now) - unix_seconds(each.created), 0);
    out.push_back(json::object{
        {"name", each.name},
        {"state", each.terminating ? "leaving"
                  : each.ready     ? ready
                                   : "starting"},
        {"age_s", age},
        {"outdated", each.outdated},
        {"message", each.trouble ? each.trouble->reason + ": " + each.trouble->message : std::string()}});
  };
  for (auto const& each : workers) add(each, "ready");
  for (auto const& each : standbys) add(each, "standby");
  return out;
}

json::object json_of(scaling::Decision const& decision, std::string const& id, WallTime time) {
  json::array terms;
  for (auto const& asked : scaling::asked_for(decision.inputs))
    terms.push_back(json::object{{"name", asked.name}, {"workers", asked.workers}});
  return {{"id", id},
          {"time", unix_milliseconds(time)},
          {"from", decision.from},
          {"to", decision.to},
          {"reason", name(decision.reason)},
          {"term", name(decision.term)},
          {"formula", decision.formula},
          {"measured", scaling::measured_in_words(decision.inputs)},
          {"terms", std::move(terms)},
          {"bound", scaling::limit_in_words(name(decision.limit))},
          {"why_not_more", decision.why_not_more},
          {"why_not_less", decision.why_not_less}};
}

json::object json_of(plan::RecordEvent const& event, WallTime time) {
  return {{"time", unix_milliseconds(time)},
          {"warning", event.type == plan::EventType::Warning},
          {"reason", event.reason},
          {"message", event.message},
          {"decision", event.decision_id}};
}

}  // namespace ei::page
