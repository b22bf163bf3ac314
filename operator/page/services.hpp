#pragma once

#include <boost/json/object.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operator/advice/hour.hpp"
#include "operator/page/history.hpp"
#include "operator/page/query.hpp"
#include "operator/reconcile/step.hpp"
#include "runtime/core/result.hpp"

namespace ei::page {

/// Of the JSON that the page reads (docs/page.md). A field that is added does not change it.
inline constexpr int kModelVersion = 1;

/// What one viewer of the list was sent, so that only news are sent next.
struct ListCursor {
  struct Sent {
    std::size_t row = 0;  ///< hash of the row's text
    std::int64_t second = 0;
    Sample newest;
  };
  std::map<api::ServiceKey, Sent> rows;
};

/// The same of one service's view.
struct ServiceCursor {
  std::uint64_t sequence = 0;  ///< of the newest decision or event
  std::int64_t second = 0;     ///< of the newest sample
};

/// What a trial of other settings rests on.
struct Known {
  std::string manifest;  ///< the spec in force, as JSON text
  std::vector<advice::Span> hour;
  advice::ServiceTime service;
  double start_seconds = 0;  ///< expected creation to ready
  int standbys = 0;          ///< in force: a backend may have none though the spec wants some
};

/// What the page knows of every service: the newest state, ten minutes of samples, the last decisions and
/// events. Bounded: see kMostHistoryBytes and kMostNotes. Pure: the time is an argument.
class Services {
 public:
  void decided(reconcile::Decided const& decided);
  void event(api::ServiceKey const& key, plan::RecordEvent const& event, WallTime now);
  void gone(api::ServiceKey const& key);

  /// The rows that `query` asks for, in its order. Of each row: what it is now, and the samples since the
  /// cursor's; a row without news is left out, and only its place is told.
  [[nodiscard]] boost::json::object list(ListQuery const& query, ListCursor& cursor, WallTime now) const;
  /// One service with its samples, decisions and events since the cursor's. Errors: NotFound.
  [[nodiscard]] Result<boost::json::object> service(api::ServiceKey const& key, ServiceCursor& cursor,
                                                    WallTime now) const;
  /// Errors: NotFound; Unavailable while no request of its was measured within the last hour.
  [[nodiscard]] Result<Known> known(api::ServiceKey const& key, WallTime now) const;

 private:
  struct Change {
    std::uint64_t sequence = 0;
    std::string id;
    WallTime time{};
    scaling::Decision decision;
  };
  struct Noted {
    std::uint64_t sequence = 0;
    WallTime time{};
    plan::RecordEvent event;
  };
  struct Service {
    api::Status status;
    std::string endpoint;
    std::int64_t generation = -1;  ///< of `manifest`
    std::string manifest;          ///< the spec in force, as one line of JSON
    std::string cpu;               ///< of one worker, a Kubernetes quantity
    scaling::Settings settings;
    std::vector<plan::WorkerInstance> workers;
    std::vector<plan::WorkerInstance> standbys;
    History history;
    std::unique_ptr<advice::Hour> hour;  ///< from the first request on
    Change newest;                       ///< the newest decision, also where it kept the count
    std::deque<Change> changes;          ///< those that changed it
    std::deque<Noted> events;
  };
  using Entry = std::map<api::ServiceKey, Service>::const_iterator;

  [[nodiscard]] Result<Entry> find(api::ServiceKey const& key) const;
  static boost::json::object row_of(api::ServiceKey const& key, Service const& service);
  static boost::json::object object_of(Change const& change);
  std::vector<Entry> chosen(ListQuery const& query) const;
  [[nodiscard]] std::size_t most_notes() const;

  std::map<api::ServiceKey, Service> services_;
  std::uint64_t sequence_ = 0;
};

/// Decisions, and events, of all services together: 4 MB of each. One service has at most 50 of each.
inline constexpr std::size_t kMostNotes = 4'000;

}  // namespace ei::page
