#include "operator/page/services.hpp"

#include <algorithm>
#include <boost/json/array.hpp>

#include "operator/page/json.hpp"
#include "operator/show/row.hpp"
#include "runtime/core/json.hpp"
#include "runtime/http/text.hpp"

namespace ei::page {
namespace {

namespace json = boost::json;

// Of one service, however few there are.
constexpr std::size_t kMostNotesOfOne = 50;
// So many are left to each where there are very many.
constexpr std::size_t kLeastNotesOfOne = 3;

std::uint16_t count(std::size_t number) {
  return static_cast<std::uint16_t>(std::min<std::size_t>(number, 0xffff));
}

std::uint32_t count_ms(milliseconds time) {
  return static_cast<std::uint32_t>(std::clamp<milliseconds::rep>(time.count(), 0, UINT32_MAX));
}

Sample sample_of(reconcile::Decided const& decided) {
  auto const& status = decided.plan.status;
  Sample sample;
  sample.arrival_rps = static_cast<float>(status.queue.arrival_rate);
  sample.queue = static_cast<std::uint32_t>(std::clamp<std::int64_t>(status.queue.depth, 0, UINT32_MAX));
  sample.in_flight =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(status.queue.in_flight, 0, UINT32_MAX));
  auto const& verdict = decided.verdict;
  if (verdict.p50 && verdict.p99) sample.latency = Latency{count_ms(*verdict.p50), count_ms(*verdict.p99)};
  for (auto const& worker : decided.seen.workers) {
    ++(worker.terminating ? sample.leaving : worker.ready ? sample.ready : sample.starting);
  }
  sample.desired = count(static_cast<std::size_t>(std::max(status.desired_replicas, 0)));
  return sample;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), http::lower);
  return text;
}

template <class T>
void keep_newest(std::deque<T>& notes, std::size_t most) {
  while (notes.size() > most) notes.pop_front();
}

}  // namespace

std::size_t Services::most_notes() const {
  return std::clamp(kMostNotes / std::max<std::size_t>(services_.size(), 1), kLeastNotesOfOne,
                    kMostNotesOfOne);
}

void Services::decided(reconcile::Decided const& decided) {
  auto& service = services_[decided.seen.metadata.key()];
  service.status = decided.plan.status;
  service.endpoint = decided.seen.endpoint;
  service.settings = decided.settings;
  service.workers = decided.seen.workers;
  service.standbys = decided.seen.standbys;
  if (decided.seen.spec && service.generation != decided.seen.metadata.generation) {
    service.generation = decided.seen.metadata.generation;
    service.manifest = to_json_text(api::to_json(*decided.seen.spec));
    service.cpu = decided.seen.spec->worker.resources.cpu;
  }
  service.history.add(unix_seconds(decided.wall_now), sample_of(decided), most_entries(services_.size()));
  auto const& sample = decided.snapshot.sample;
  if (!service.hour && sample && sample->arrivals > 0) service.hour = std::make_unique<advice::Hour>();
  if (service.hour) {
    service.hour->take(sample, decided.settings, static_cast<int>(service.workers.size()), decided.wall_now,
                       advice::most_spans(services_.size()));
  }
  if (!decided.verdict.decision) return;
  auto decision = *decided.verdict.decision;
  decision.to = plan::granted(decision, decided.seen.shortage);
  service.newest = {++sequence_, decided.verdict.decision_id, decided.wall_now, std::move(decision)};
  if (service.newest.decision.from == service.newest.decision.to) return;
  service.changes.push_back(service.newest);
  keep_newest(service.changes, most_notes());
}

void Services::event(api::ServiceKey const& key, plan::RecordEvent const& event, WallTime now) {
  auto const found = services_.find(key);
  if (found == services_.end()) return;
  found->second.events.push_back({++sequence_, now, event});
  keep_newest(found->second.events, most_notes());
}

void Services::gone(api::ServiceKey const& key) {
  services_.erase(key);
}

std::vector<Services::Entry> Services::chosen(ListQuery const& query) const {
  std::vector<Entry> out;
  auto const wanted = lower(query.filter);
  for (auto each = services_.begin(); each != services_.end(); ++each) {
    if (wanted.empty() || lower(to_string(each->first)).find(wanted) != std::string::npos)
      out.push_back(each);
  }
  // By name among equals: the map's own order.
  auto const by = [&](auto value) {
    std::stable_sort(out.begin(), out.end(), [&](Entry a, Entry b) {
      return query.descending ? value(b->second) < value(a->second) : value(a->second) < value(b->second);
    });
  };
  switch (query.sort) {
    case Column::Name:
      if (query.descending) std::reverse(out.begin(), out.end());
      break;
    case Column::State:
      by([](Service const& each) { return state_of(each.status); });
      break;
    case Column::Queue:
      by([](Service const& each) { return each.status.queue.depth; });
      break;
    case Column::Arrivals:
      by([](Service const& each) { return each.status.queue.arrival_rate; });
      break;
    case Column::P99:
      by([](Service const& each) { return each.status.queue.p99.value_or(milliseconds(-1)); });
      break;
    case Column::Workers:
      by([](Service const& each) { return each.workers.size(); });
      break;
  }
  return out;
}

json::object Services::row_of(api::ServiceKey const& key, Service const& service) {
  auto const row = show::row_of(key, service.status, service.endpoint);
  auto const& settings = service.settings;
  json::object out{{"namespace", key.namespace_name},
                   {"name", key.name},
                   {"state", name(state_of(service.status))},
                   {"message", row.trouble},
                   {"endpoint", row.endpoint},
                   {"policy", scaling::name(settings.policy)},
                   {"min", settings.min_replicas},
                   {"max", settings.max_replicas},
                   {"desired", row.desired},
                   {"target_ms", settings.latency_target.count()},
                   {"queue_target", settings.queue_target},
                   {"worker_cpu", service.cpu},
                   {"reason", row.reason}};
  return out;
}

json::object Services::list(ListQuery const& query, ListCursor& cursor, WallTime now) const {
  auto const found = chosen(query);
  json::array order;
  json::array rows;
  ListCursor next;
  auto const begin = std::min(query.offset, found.size());
  auto const end = std::min(begin + query.limit, found.size());
  for (auto at = begin; at < end; ++at) {
    auto const& [key, service] = *found[at];
    order.push_back(json::string(to_string(key)));
    auto row = row_of(key, service);
    auto const sent = cursor.rows.find(key);
    auto const hash = std::hash<std::string>()(to_json_text(row));
    bool const first = sent == cursor.rows.end();
    // The second that was sent last may have got another sample since.
    auto const from = first ? unix_seconds(now) - kWindowSeconds : sent->second.second;
    auto const news = service.history.since(from);
    auto const newest = news.empty() ? Sample() : news.back().sample;
    bool const unchanged =
        !first && sent->second.row == hash && news.size() < 2 && newest == sent->second.newest;
    next.rows[key] = {hash, unix_seconds(now), newest};
    if (unchanged) continue;
    row["samples"] = json_of(news);
    rows.push_back(std::move(row));
  }
  cursor = std::move(next);
  return {{"version", kModelVersion},  {"now", unix_milliseconds(now)},
          {"total", services_.size()}, {"matching", found.size()},
          {"offset", begin},           {"order", std::move(order)},
          {"rows", std::move(rows)}};
}

json::object Services::object_of(Change const& change) {
  return json_of(change.decision, change.id, change.time);
}

Result<Services::Entry> Services::find(api::ServiceKey const& key) const {
  auto const found = services_.find(key);
  if (found != services_.end()) return found;
  return make_error(ErrorKind::NotFound,
                    "there is no service " + to_string(key) + ", or its spec is invalid");
}

Result<Known> Services::known(api::ServiceKey const& key, WallTime now) const {
  auto const found = find(key);
  if (!found) return found.error();
  auto const& service = (*found)->second;
  Known out{service.manifest, {}, {}, service.newest.decision.inputs.start_seconds, service.settings.standby};
  if (service.hour) {
    out.hour = service.hour->spans(now);
    if (auto const time = service.hour->service()) out.service = *time;
  }
  if (out.hour.empty() || out.service.seconds <= 0)
    return make_error(ErrorKind::Unavailable,
                      "no request was measured within the last hour: there is nothing to try settings on");
  return out;
}

Result<json::object> Services::service(api::ServiceKey const& key, ServiceCursor& cursor,
                                       WallTime now) const {
  auto const found = find(key);
  if (!found) return found.error();
  auto const& service = (*found)->second;
  auto out = row_of(key, service);
  out["version"] = kModelVersion;
  out["now"] = unix_milliseconds(now);
  out["manifest"] = service.manifest;
  out["conditions"] = json_of(service.status.conditions);
  for (auto const& advice : service.status.advice) out["advice"] = api::to_json(advice);
  out["workers"] = json_of(service.workers, service.standbys, now);
  if (!service.newest.id.empty()) out["newest"] = object_of(service.newest);
  auto const from = cursor.second == 0 ? unix_seconds(now) - kWindowSeconds : cursor.second;
  out["samples"] = json_of(service.history.since(from));
  json::array decisions;
  for (auto const& change : service.changes) {
    if (change.sequence > cursor.sequence) decisions.push_back(object_of(change));
  }
  out["decisions"] = std::move(decisions);
  json::array events;
  for (auto const& [sequence, time, event] : service.events) {
    if (sequence > cursor.sequence) events.push_back(json_of(event, time));
  }
  out["events"] = std::move(events);
  cursor = {sequence_, unix_seconds(now)};
  return out;
}

}  // namespace ei::page
