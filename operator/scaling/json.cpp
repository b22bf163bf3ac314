#include "operator/scaling/json.hpp"

#include <boost/json/array.hpp>
#include <cmath>
#include <limits>

#include "operator/scaling/fields.hpp"

namespace ei::scaling {
namespace {

namespace json = boost::json;

/// JSON has no NaN or infinity, and a broken sample must stay broken when it is
/// replayed: null reads back as NaN.
json::value number(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

json::value optional_number(std::optional<double> const& value) {
  return value ? number(*value) : json::value(nullptr);
}

std::int64_t nanoseconds(Time time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

json::value optional_time(std::optional<Time> const& time) {
  return time ? json::value(nanoseconds(*time)) : json::value(nullptr);
}

json::object sample_to_json(Sample const& s) {
  return {{"at_ns", nanoseconds(s.at)},
          {"arrivals", number(s.arrivals)},
          {"completions", number(s.completions)},
          {"service_seconds", number(s.service_seconds)},
          {"service_seconds_squared", number(s.service_seconds_squared)},
          {"late", optional_number(s.late)},
          {"queue", number(s.queue)},
          {"in_flight", number(s.in_flight)},
          {"oldest_age_seconds", number(s.oldest_age_seconds)},
          {"epoch", s.epoch}};
}

Sample read_sample(Fields const& fields) {
  Sample s;
  fields.read("at_ns", s.at);
  auto const read_number = [&](char const* key, double& into) {
    json::value const* value = fields.member(key);
    if (value && value->is_null()) {
      into = std::numeric_limits<double>::quiet_NaN();
    } else {
      fields.read(key, into);
    }
  };
  read_number("arrivals", s.arrivals);
  read_number("completions", s.completions);
  read_number("service_seconds", s.service_seconds);
  read_number("service_seconds_squared", s.service_seconds_squared);
  fields.read("late", s.late);
  read_number("queue", s.queue);
  read_number("in_flight", s.in_flight);
  read_number("oldest_age_seconds", s.oldest_age_seconds);
  fields.read("epoch", s.epoch);
  return s;
}

Settings read_settings(Fields const& fields) {
  Settings s;
  fields.read_name("policy", s.policy,
                   {Policy::Latency, Policy::QueueRatio, Policy::External, Policy::Webhook});
  fields.read("queue_target", s.queue_target);
  fields.read("min_replicas", s.min_replicas);
  fields.read("max_replicas", s.max_replicas);
  fields.read("cooldown_ms", s.cooldown);
  fields.read("latency_target_ms", s.latency_target);
  fields.read("interval_ms", s.interval);
  fields.read("paused", s.paused);
  fields.read_name("on_metrics_loss", s.on_metrics_loss, {MetricsLoss::Hold, MetricsLoss::ScaleToMax});
  fields.read("external_replicas", s.external_replicas);
  // Logs of earlier releases do not say.
  if (fields.member("on_webhook_failure") != nullptr) {
    fields.read_name("on_webhook_failure", s.on_webhook_failure,
                     {WebhookFailure::Hold, WebhookFailure::Latency});
  }
  return s;
}

Snapshot read_snapshot(Fields const& fields, std::string& complaint) {
  Snapshot snapshot;
  if (json::value const* sample = fields.member("sample"); sample && !sample->is_null()) {
    snapshot.sample = read_sample(fields.object("sample"));
  }
  fields.read("current", snapshot.workers.current);
  fields.read_list("workers", [&](json::value const& entry, std::string const& path) {
    Fields const worker_fields(&entry, path, complaint);
    Worker& worker = snapshot.workers.list.emplace_back();
    worker_fields.read("name", worker.name);
    worker_fields.read("ready", worker.ready);
    worker_fields.read("not_ready_seconds", worker.not_ready_seconds);
    worker_fields.read("start_seconds", worker.start_seconds);
    // Logs of earlier releases do not say.
    if (worker_fields.member("proven") != nullptr) worker_fields.read("proven", worker.proven);
  });
  if (fields.member("answer") != nullptr) {
    Fields const answer = fields.object("answer");
    snapshot.answer.emplace();
    answer.read("replicas", snapshot.answer->replicas);
    answer.read("reason", snapshot.answer->reason);
    answer.read("explanation", snapshot.answer->explanation);
    answer.read("failure", snapshot.answer->failure);
  }
  return snapshot;
}

State read_state(Fields const& fields, std::string& complaint) {
  State state;
  fields.read_list("samples", [&](json::value const& entry, std::string const& path) {
    state.samples.push_back(read_sample(Fields(&entry, path, complaint)));
  });
  if (json::value const* service = fields.member("service"); service && !service->is_null()) {
    Fields const service_fields = fields.object("service");
    State::Service into;
    service_fields.read("seconds", into.seconds);
    service_fields.read("cv2", into.cv2);
    state.service = into;
  }
  Fields const lateness = fields.object("lateness");
  lateness.read("late", state.lateness.late);
  lateness.read("arrivals", state.lateness.arrivals);
  lateness.read("at_ns", state.lateness.at);
  fields.read_list("needs", [&](json::value const& entry, std::string const& path) {
    Fields const need_fields(&entry, path, complaint);
    State::Need& need = state.needs.emplace_back();
    need_fields.read("at_ns", need.at);
    need_fields.read("workers", need.workers);
  });
  if (json::value const* surge = fields.member("surge"); surge && !surge->is_null()) {
    Fields const surge_fields = fields.object("surge");
    State::Surge into;
    surge_fields.read("needed_before", into.needed_before);
    surge_fields.read("seen_ns", into.seen);
    state.surge = into;
  }
  if (json::value const* recurrence = fields.member("recurrence"); recurrence && !recurrence->is_null()) {
    Fields const recurrence_fields = fields.object("recurrence");
    State::Recurrence into;
    recurrence_fields.read("workers", into.workers);
    recurrence_fields.read("until_ns", into.until);
    state.recurrence = into;
  }
  if (json::value const* policy = fields.member("policy"); policy && !policy->is_null()) {
    fields.read_name("policy", state.policy.emplace(),
                     {Policy::Latency, Policy::QueueRatio, Policy::External, Policy::Webhook});
  }
  fields.read("observing_since_ns", state.observing_since);
  fields.read("blind_since_ns", state.blind_since);
  fields.read_list("start_seconds", [&](json::value const& entry, std::string const& path) {
    if (entry.is_number())
      state.start_seconds.push_back(entry.to_number<double>());
    else
      Fields(nullptr, path, complaint).complain("is not a number");
  });
  fields.read_list("counted", [&](json::value const& entry, std::string const& path) {
    if (entry.is_string())
      state.counted.emplace_back(entry.as_string());
    else
      Fields(nullptr, path, complaint).complain("is not a string");
  });
  fields.read("last_replacement_ns", state.last_replacement);
  fields.read("failed_replacements", state.failed_replacements);
  fields.read("sampled_replicas", state.sampled_replicas);
  fields.read("last_evaluation_ns", state.last_evaluation);
  fields.read("last_action_ns", state.last_action);
  return state;
}

template <class T>
Result<T> read_or_complaint(T value, std::string complaint) {
  if (complaint.empty()) return value;
  return make_error(ErrorKind::Invalid, std::move(complaint));
}

}  // namespace

json::object to_json(Settings const& s) {
  return {{"policy", name(s.policy)},
          {"queue_target", s.queue_target},
          {"min_replicas", s.min_replicas},
          {"max_replicas", s.max_replicas},
          {"cooldown_ms", s.cooldown.count()},
          {"latency_target_ms", s.latency_target.count()},
          {"interval_ms", s.interval.count()},
          {"paused", s.paused},
          {"on_metrics_loss", name(s.on_metrics_loss)},
          {"external_replicas", s.external_replicas},
          {"on_webhook_failure", name(s.on_webhook_failure)}};
}

json::object to_json(Snapshot const& snapshot) {
  json::array workers;
  for (Worker const& worker : snapshot.workers.list) {
    workers.push_back(json::object{{"name", worker.name},
                                   {"ready", worker.ready},
                                   {"not_ready_seconds", worker.not_ready_seconds},
                                   {"start_seconds", optional_number(worker.start_seconds)},
                                   {"proven", worker.proven}});
  }
  json::object object;
  object["sample"] = snapshot.sample ? json::value(sample_to_json(*snapshot.sample)) : json::value(nullptr);
  object["current"] = snapshot.workers.current;
  object["workers"] = std::move(workers);
  if (snapshot.answer) {
    object["answer"] = json::object{{"replicas", snapshot.answer->replicas},
                                    {"reason", snapshot.answer->reason},
                                    {"explanation", snapshot.answer->explanation},
                                    {"failure", snapshot.answer->failure}};
  }
  return object;
}

json::object to_json(Decision const& d) {
  Inputs const& in = d.inputs;
  json::object inputs{{"sample", name(in.sample)},
                      {"arrival_rps", optional_number(in.arrival_rps)},
                      {"burst_rps", optional_number(in.burst_rps)},
                      {"service_seconds", optional_number(in.service_seconds)},
                      {"service_cv2", optional_number(in.service_cv2)},
                      {"offered_load", optional_number(in.offered_load)},
                      {"queue", optional_number(in.queue)},
                      {"in_flight", optional_number(in.in_flight)},
                      {"oldest_age_seconds", optional_number(in.oldest_age_seconds)},
                      {"longest_wait_seconds", optional_number(in.longest_wait_seconds)},
                      {"late_ratio", optional_number(in.late_ratio)},
                      {"accepted_late_ratio", in.accepted_late_ratio},
                      {"recent_late_ratio", in.recent_late_ratio},
                      {"outlook_seconds", in.outlook_seconds},
                      {"start_seconds", in.start_seconds},
                      {"hold_seconds", in.hold_seconds},
                      {"ready", in.ready},
                      {"starting", in.starting},
                      {"overdue", in.overdue},
                      {"load_workers", in.load_workers},
                      {"spare_workers", in.spare_workers},
                      {"burst_workers", in.burst_workers},
                      {"backlog_workers", in.backlog_workers},
                      {"queue_target_workers", in.queue_target_workers},
                      {"held_workers", in.held_workers},
                      {"recurring_workers", in.recurring_workers}};
  json::array replace;
  for (std::string const& worker : d.replace) replace.push_back(json::value(worker));
  return {{"from", d.from},
          {"to", d.to},
          {"reason", name(d.reason)},
          {"term", name(d.term)},
          {"limit", name(d.limit)},
          {"formula", d.formula},
          {"why_not_more", d.why_not_more},
          {"why_not_less", d.why_not_less},
          {"replace", std::move(replace)},
          {"inputs", std::move(inputs)}};
}

json::object to_json(State const& state) {
  json::array samples, needs, starts, counted;
  for (Sample const& sample : state.samples) samples.push_back(sample_to_json(sample));
  for (State::Need const& need : state.needs) {
    needs.push_back(json::object{{"at_ns", nanoseconds(need.at)}, {"workers", need.workers}});
  }
  for (double const seconds : state.start_seconds) starts.push_back(seconds);
  for (std::string const& worker : state.counted) counted.push_back(json::value(worker));
  json::value service = nullptr;
  if (state.service) service = json::object{{"seconds", state.service->seconds}, {"cv2", state.service->cv2}};
  json::value surge = nullptr;
  if (state.surge) {
    surge = json::object{{"needed_before", state.surge->needed_before},
                         {"seen_ns", nanoseconds(state.surge->seen)}};
  }
  json::value recurrence = nullptr;
  if (state.recurrence) {
    recurrence = json::object{{"workers", state.recurrence->workers},
                              {"until_ns", nanoseconds(state.recurrence->until)}};
  }
  return {{"samples", std::move(samples)},
          {"service", std::move(service)},
          {"lateness", json::object{{"late", state.lateness.late},
                                    {"arrivals", state.lateness.arrivals},
                                    {"at_ns", nanoseconds(state.lateness.at)}}},
          {"needs", std::move(needs)},
          {"surge", std::move(surge)},
          {"recurrence", std::move(recurrence)},
          {"policy", state.policy ? json::value(name(*state.policy)) : json::value(nullptr)},
          {"observing_since_ns", optional_time(state.observing_since)},
          {"blind_since_ns", optional_time(state.blind_since)},
          {"start_seconds", std::move(starts)},
          {"counted", std::move(counted)},
          {"last_replacement_ns", optional_time(state.last_replacement)},
          {"failed_replacements", state.failed_replacements},
          {"sampled_replicas", state.sampled_replicas},
          {"last_evaluation_ns", optional_time(state.last_evaluation)},
          {"last_action_ns", optional_time(state.last_action)}};
}

json::object log_record(Settings const& settings, Snapshot const& snapshot, Decision const& decision,
                        Time now) {
  return {{"now_ns", nanoseconds(now)},
          {"settings", to_json(settings)},
          {"snapshot", to_json(snapshot)},
          {"decision", to_json(decision)}};
}

Result<Settings> settings_from_json(json::value const& value) {
  std::string complaint;
  Settings settings = read_settings(Fields(&value, "settings", complaint));
  return read_or_complaint(settings, complaint);
}

Result<Snapshot> snapshot_from_json(json::value const& value) {
  std::string complaint;
  Snapshot snapshot = read_snapshot(Fields(&value, "snapshot", complaint), complaint);
  return read_or_complaint(std::move(snapshot), complaint);
}

Result<State> state_from_json(json::value const& value) {
  std::string complaint;
  State state = read_state(Fields(&value, "state", complaint), complaint);
  return read_or_complaint(std::move(state), complaint);
}

Result<LogRecord> log_record_from_json(json::value const& value) {
  std::string complaint;
  Fields const fields(&value, "record", complaint);
  LogRecord record;
  fields.read("now_ns", record.now);
  record.settings = read_settings(fields.object("settings"));
  record.snapshot = read_snapshot(fields.object("snapshot"), complaint);
  Fields const decision = fields.object("decision");
  decision.read("from", record.from);
  decision.read("to", record.to);
  return read_or_complaint(std::move(record), complaint);
}

}  // namespace ei::scaling
