// The parts of the page's JSON; docs/page.md lists them.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "operator/api/status.hpp"
#include "operator/page/history.hpp"
#include "operator/plan/action.hpp"
#include "operator/plan/observation.hpp"
#include "operator/scaling/decision.hpp"

namespace ei::page {

/// A service in one word, the worst first.
enum class State { Trouble, Limited, Starting, Paused, Ready, Idle };

/// `trouble`, `limited`, `starting`, `paused`, `ready`, `idle`.
[[nodiscard]] std::string_view name(State state);

/// Trouble: it is not ready, and not only since it starts. Limited: it is ready, and the count or the newest
/// edit is not as it should be. Idle: no worker is wanted.
[[nodiscard]] State state_of(api::Status const& status);

[[nodiscard]] std::int64_t unix_milliseconds(WallTime time);

/// `[second, arrivals/s, waiting, in flight, p99 in ms or null, ready, starting, leaving, desired, p50 in ms
/// or null]` each.
[[nodiscard]] boost::json::array json_of(std::vector<Since> const& samples);
[[nodiscard]] boost::json::array json_of(std::vector<api::Condition> const& conditions);
/// Name, state, age in seconds and trouble of each.
[[nodiscard]] boost::json::array json_of(std::vector<plan::WorkerInstance> const& workers,
                                         std::vector<plan::WorkerInstance> const& standbys, WallTime now);
/// The decision with all that explains it: inputs in words, what each term asked for, the winner, the bound,
/// why not more and why not fewer.
[[nodiscard]] boost::json::object json_of(scaling::Decision const& decision, std::string const& id,
                                          WallTime time);
[[nodiscard]] boost::json::object json_of(plan::RecordEvent const& event, WallTime time);

}  // namespace ei::page
