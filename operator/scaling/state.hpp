#pragma once

#include "operator/scaling/settings.hpp"
#include "operator/scaling/snapshot.hpp"

#include <optional>
#include <string>
#include <vector>

namespace ei::scaling {

/// What a policy remembers between decisions of one service. Start it empty, also after a restart of the
/// operator: nothing is scaled down until a full window has been seen again. Only hand it back to `decide`.
/// Copyable and comparable. Its lists are short, and mostly empty where a thousand services idle: they are
/// vectors, for an empty deque takes 600 bytes.
struct State {
  struct Service {
    double seconds = 0;
    double cv2 = 0;
    bool operator==(Service const&) const = default;
  };
  struct Need {
    Time at{};
    int workers = 0;
    bool operator==(Need const&) const = default;
  };

  /// Requests expected to be late against requests that arrived, both fading with age.
  struct Lateness {
    double late = 0;
    double arrivals = 0;
    Time at{};  ///< of the last sample that is in it
    bool operator==(Lateness const&) const = default;
  };

  /// Arrivals that rise faster than the load window shows.
  struct Surge {
    int needed_before = 0;  ///< the most that was needed within the cooldown before it
    Time seen{};            ///< at last
    bool operator==(Surge const&) const = default;
  };
  /// A surge that came back soon after the workers it needs were let go.
  struct Recurrence {
    int workers = 0;  ///< that it needs
    Time until{};     ///< they are kept until then, and longer each time they are needed
    bool operator==(Recurrence const&) const = default;
  };

  std::vector<Sample> samples;     ///< usable ones, oldest first, without a reset between them
  int sampled_replicas = 0;        ///< the count in force when the newest sample came
  std::optional<Service> service;  ///< last known
  Lateness lateness;
  std::vector<Need> needs;  ///< what each decision within the cooldown needed
  std::optional<Surge> surge;
  std::optional<Recurrence> recurrence;
  std::optional<Policy> policy;         ///< that decided last
  std::optional<Time> observing_since;  ///< this policy's decisions have had data without a gap since then
  std::optional<Time> blind_since;      ///< decisions have had no data since then
  std::vector<double> start_seconds;    ///< the last measured starts, newest last
  std::vector<std::string> counted;     ///< present workers whose start is in there already
  std::optional<Time> quiet_since;      ///< with a minimum of 0: no request has come or waited since then
  std::optional<Time> last_replacement;
  int failed_replacements = 0;          ///< since a worker last became ready
  std::optional<Time> last_evaluation;  ///< QueueRatio
  std::optional<Time> last_action;      ///< QueueRatio

  bool operator==(State const&) const = default;
};

}  // namespace ei::scaling
