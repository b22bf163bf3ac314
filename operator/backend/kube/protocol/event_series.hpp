#pragma once

#include "operator/backend/kube/protocol/event.hpp"
#include "operator/backend/kube/protocol/rate_limit.hpp"
#include "operator/backend/kube/protocol/resource.hpp"
#include "runtime/core/units.hpp"

#include <compare>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ei::kube {

/// Something that happened to an InferenceService, as `kubectl describe` shows it.
struct Occurrence {
  ObjectKey subject;
  std::string subject_uid;
  std::string type;    ///< Normal or Warning
  std::string reason;  ///< CamelCase
  std::string action;  ///< what the operator was doing: Scale, Reconcile …
  std::string note;
  std::string decision_id;  ///< empty when no decision caused it
  std::string explanation;  ///< of that decision, as JSON; may be empty
};

/// Annotations of an Event that a decision caused.
inline constexpr std::string_view kDecisionAnnotation = "elasticinference.dev/decision";
inline constexpr std::string_view kExplanationAnnotation = "elasticinference.dev/explanation";

/// Turns occurrences into few writes. The same occurrence again within ten minutes makes a series (count and
/// time of the last one); more than ten different notes for one reason are folded into the latest event's
/// series, since an Event's note cannot be changed; and each subject, and all together, have a token bucket.
/// What exceeds it is dropped and counted.
class EventSeries {
 public:
  /// `controller` and `instance` are the Event's reportingController and reportingInstance.
  EventSeries(std::string controller, std::string instance);

  /// The write to make now, if any.
  std::optional<EventWrite> record(Occurrence const& occurrence, SteadyTime now, WallTime wall);

  /// Updates of series that have waited long enough; also forgets what is past. Call every few seconds.
  std::vector<EventWrite> flush(SteadyTime now);

  std::size_t tracked() const { return series_.size(); }
  std::int64_t dropped() const { return dropped_; }

 private:
  struct Kind {
    std::string subject_uid;
    std::string type;
    std::string reason;
    std::string action;
    auto operator<=>(Kind const&) const = default;
  };
  struct Key {
    Kind kind;
    std::string note;
    auto operator<=>(Key const&) const = default;
  };
  struct Series {
    ObjectKey event;
    int count = 1;
    WallTime last_observed{};
    SteadyTime last_seen{};
    SteadyTime written{};
    bool pending = false;  ///< counted since the last write
  };

  Series* find_series(Key const& key, SteadyTime now);
  bool allowed(std::string const& subject_uid, SteadyTime now);
  EventWrite create(Key const& key, Occurrence const& occurrence, SteadyTime now, WallTime wall);
  static EventWrite update(Series& series, SteadyTime now);
  void forget_oldest();

  std::string controller_;
  std::string instance_;
  std::map<Key, Series> series_;
  std::map<std::string, TokenBucket> subjects_;
  TokenBucket all_;
  std::int64_t dropped_ = 0;
  std::uint64_t created_ = 0;
};

}  // namespace ei::kube
