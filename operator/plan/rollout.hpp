#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "operator/plan/verdict.hpp"

namespace ei::plan {

/// Reasons of Ready while no worker serves.
inline constexpr std::string_view kIdle = "Idle";
inline constexpr std::string_view kWaking = "Waking";

/// The processes of one kind: dispatchers, or workers. "New" ones are of the template
/// that the spec in force asks for.
struct Tally {
  int wanted = 0;   ///< of workers: granted by the decision
  int running = 0;  ///< and not asked to leave
  int ready = 0;    ///< of those that run
  int new_ready = 0;
  int old = 0;  ///< of those that run, also those that are not ready

  /// No old one runs any more, and a new one answers.
  [[nodiscard]] bool arrived() const { return old == 0 && (new_ready > 0 || wanted == 0); }
  bool operator==(Tally const&) const = default;
};

struct Counts {
  Tally dispatchers;
  Tally workers;
  Tally standbys;

  /// Requests are answered, whatever the template.
  [[nodiscard]] bool serving() const { return dispatchers.ready > 0 && workers.ready > 0; }
  [[nodiscard]] bool arrived() const { return dispatchers.arrived() && workers.arrived(); }
};
[[nodiscard]] Counts count(Observation const& seen, Verdict const& verdict);

/// Whether a service serves without a worker.
enum class Sleep {
  No,
  Idle,    ///< no worker is wanted
  Waking,  ///< it was idle, and a worker of the same spec is on its way without trouble
};
/// Whether a write of children fails and no worker is wanted whose version would tell that this generation
/// was never written. Once Ready was True at it, it was.
[[nodiscard]] bool is_unwritten(Observation const& seen, Verdict const& verdict, Counts const& counts);
[[nodiscard]] Sleep sleep_of(Observation const& seen, Verdict const& verdict, Counts const& counts);

/// How far a service is on the way to what its spec says.
struct Rollout {
  enum class State {
    Arrived,  ///< every pod is of the newest template, and one of each kind is ready
    Moving,
    Stalled,  ///< somebody has to do something about it
  };
  State state = State::Arrived;
  std::string reason;   ///< CamelCase
  std::string message;  ///< how far, what is in the way, and when stalled what to do

  bool operator==(Rollout const&) const = default;
};
[[nodiscard]] Rollout rollout_of(Observation const& seen, Verdict const& verdict, Counts const& counts);

/// What keeps new processes from being ready, in the order of what most likely is everyone's: a child that
/// could not be written, a new one's trouble, an old one's, no room.
[[nodiscard]] std::optional<Trouble> dispatcher_trouble(Observation const& seen, Verdict const& verdict);
[[nodiscard]] std::optional<Trouble> standby_trouble(Observation const& seen);
[[nodiscard]] std::optional<Trouble> worker_trouble(Observation const& seen, Verdict const& verdict);

}  // namespace ei::plan
