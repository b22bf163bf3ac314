#include "operator/backend/kube/protocol/event_series.hpp"

#include <boost/json/value.hpp>

#include <algorithm>
#include <utility>

namespace ei::kube {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// client-go's aggregator counts as similar what comes within ten minutes, and folds from the tenth on.
constexpr minutes kWindow{10};
constexpr int kMaxDifferentNotes = 10;

// A series under load would otherwise be patched at every occurrence.
constexpr seconds kSeriesInterval{10};

// client-go's spam filter: 25 at once for one object; its refill of one in five minutes
// would hide an hour's scaling.
constexpr double kSubjectBurst = 25;
constexpr double kSubjectPerSecond = 1.0 / 10.0;

// A thousand services that change at once must not crowd out the writes that matter.
constexpr double kTotalBurst = 100;
constexpr double kTotalPerSecond = 20;

// client-go's cache size.
constexpr std::size_t kMaxTracked = 4096;

}  // namespace

EventSeries::EventSeries(std::string controller, std::string instance)
    : controller_(std::move(controller)),
      instance_(std::move(instance)),
      all_(kTotalPerSecond, kTotalBurst) {}

std::optional<EventWrite> EventSeries::record(Occurrence const& occurrence, SteadyTime now, WallTime wall) {
  Key key{{occurrence.subject_uid, occurrence.type, occurrence.reason, occurrence.action},
          cut_note(occurrence.note)};
  if (auto* series = find_series(key, now)) {
    ++series->count;
    series->last_observed = wall;
    series->last_seen = now;
    series->pending = true;
    if (now - series->written < kSeriesInterval) return std::nullopt;
    return update(*series, now);
  }
  if (!allowed(occurrence.subject_uid, now)) {
    ++dropped_;
    return std::nullopt;
  }
  if (series_.size() >= kMaxTracked) forget_oldest();
  return create(key, occurrence, now, wall);
}

EventSeries::Series* EventSeries::find_series(Key const& key, SteadyTime now) {
  auto const fresh = [&](Series const& series) { return now - series.last_seen < kWindow; };
  if (auto const same = series_.find(key); same != series_.end()) {
    if (fresh(same->second)) return &same->second;
    series_.erase(same);
    return nullptr;
  }
  // The kind's notes lie side by side in the map.
  Series* latest = nullptr;
  int notes = 0;
  for (auto at = series_.lower_bound({key.kind, {}}); at != series_.end() && at->first.kind == key.kind;
       ++at) {
    if (!fresh(at->second)) continue;
    ++notes;
    if (latest == nullptr || at->second.last_seen >= latest->last_seen) latest = &at->second;
  }
  return notes >= kMaxDifferentNotes ? latest : nullptr;
}

bool EventSeries::allowed(std::string const& subject_uid, SteadyTime now) {
  auto const bucket = subjects_.try_emplace(subject_uid, kSubjectPerSecond, kSubjectBurst).first;
  return bucket->second.try_take(now) && all_.try_take(now);
}

EventWrite EventSeries::create(Key const& key, Occurrence const& occurrence, SteadyTime now, WallTime wall) {
  auto write = new_event({kInferenceServices, occurrence.subject, occurrence.subject_uid, key.kind.type,
                          key.kind.reason, key.kind.action, key.note, controller_, instance_},
                         wall, created_++);
  if (!occurrence.decision_id.empty()) {
    boost::json::object annotations{{kDecisionAnnotation, occurrence.decision_id}};
    if (!occurrence.explanation.empty()) annotations[kExplanationAnnotation] = occurrence.explanation;
    write.body["metadata"].as_object()["annotations"] = std::move(annotations);
  }
  Series series;
  series.event = write.key;
  series.last_observed = wall;
  series.last_seen = series.written = now;
  series_.emplace(key, std::move(series));
  return write;
}

EventWrite EventSeries::update(Series& series, SteadyTime now) {
  series.written = now;
  series.pending = false;
  boost::json::object counted{{"count", series.count},
                              {"lastObservedTime", format_rfc3339(series.last_observed)}};
  return {series.event, false, {{"series", std::move(counted)}}};
}

std::vector<EventWrite> EventSeries::flush(SteadyTime now) {
  std::vector<EventWrite> writes;
  for (auto at = series_.begin(); at != series_.end();) {
    auto& series = at->second;
    if (series.pending && now - series.written >= kSeriesInterval) writes.push_back(update(series, now));
    at = !series.pending && now - series.last_seen >= kWindow ? series_.erase(at) : std::next(at);
  }
  // A bucket fills up in this time, after which a new one is the same.
  constexpr seconds kRefill{static_cast<int>(kSubjectBurst / kSubjectPerSecond)};
  std::erase_if(subjects_, [&](auto const& entry) { return now - entry.second.used_at() > kRefill; });
  return writes;
}

void EventSeries::forget_oldest() {
  auto const oldest = std::min_element(
      series_.begin(), series_.end(),
      [](auto const& left, auto const& right) { return left.second.last_seen < right.second.last_seen; });
  if (oldest != series_.end()) series_.erase(oldest);
}

}  // namespace ei::kube
