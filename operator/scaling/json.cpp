#include "operator/scaling/json.hpp"

#include <boost/json/array.hpp>

#include "runtime/core/fields.hpp"

namespace ei::scaling {

// A broken sample must stay broken when it is replayed: its numbers are measured(),
// where null reads back as NaN.
template <class F>
void list_members(F& fields, Sample& s) {
  fields("at_ns", s.at);
  fields.measured("arrivals", s.arrivals);
  fields.measured("completions", s.completions);
  fields.measured("service_seconds", s.service_seconds);
  fields.measured("service_seconds_squared", s.service_seconds_squared);
  fields.maybe("late", s.late);
  fields.measured("queue", s.queue);
  fields.measured("in_flight", s.in_flight);
  fields.measured("oldest_age_seconds", s.oldest_age_seconds);
  fields("epoch", s.epoch);
}

template <class F>
void list_members(F& fields, Settings& s) {
  fields.word("policy", s.policy, {Policy::Latency, Policy::QueueRatio, Policy::External, Policy::Webhook});
  fields("queue_target", s.queue_target);
  fields("min_replicas", s.min_replicas);
  fields("max_replicas", s.max_replicas);
  fields.maybe("standby", s.standby);  // logs of earlier releases do not say
  fields("cooldown_ms", s.cooldown);
  fields.maybe("idle_after_ms", s.idle_after);  // logs of earlier releases do not say
  fields("latency_target_ms", s.latency_target);
  fields("interval_ms", s.interval);
  fields("paused", s.paused);
  fields.maybe("advise", s.advise);  // logs of earlier releases do not say
  fields.word("on_metrics_loss", s.on_metrics_loss, {MetricsLoss::Hold, MetricsLoss::ScaleToMax});
  fields("external_replicas", s.external_replicas);
  // Logs of earlier releases do not say.
  fields.maybe_word("on_webhook_failure", s.on_webhook_failure,
                    {WebhookFailure::Hold, WebhookFailure::Latency});
}

template <class F>
void list_members(F& fields, Worker& w) {
  fields("name", w.name);
  fields("ready", w.ready);
  fields("not_ready_seconds", w.not_ready_seconds);
  fields.maybe("start_seconds", w.start_seconds);
  fields.maybe("proven", w.proven);  // logs of earlier releases do not say
}

template <class F>
void list_members(F& fields, Answer& a) {
  fields("replicas", a.replicas);
  fields("reason", a.reason);
  fields("explanation", a.explanation);
  fields("failure", a.failure);
}

template <class F>
void list_members(F& fields, Snapshot& s) {
  fields.maybe("sample", s.sample);
  fields("current", s.workers.current);
  fields("workers", s.workers.list);
  fields.maybe("standbys", s.workers.standbys);  // logs of earlier releases do not say
  fields.if_any("answer", s.answer);
  fields.maybe("called", s.called);  // logs of earlier releases do not say
  fields.maybe("untried", s.untried);
}

template <class F>
void list_members(F& fields, Inputs& in) {
  fields.word("sample", in.sample,
              {SampleUse::Fresh, SampleUse::Repeated, SampleUse::Missing, SampleUse::Stale,
               SampleUse::Invalid, SampleUse::CounterReset});
  fields("arrival_rps", in.arrival_rps);
  fields("burst_rps", in.burst_rps);
  fields("service_seconds", in.service_seconds);
  fields("service_cv2", in.service_cv2);
  fields("offered_load", in.offered_load);
  fields("queue", in.queue);
  fields("in_flight", in.in_flight);
  fields("oldest_age_seconds", in.oldest_age_seconds);
  fields("longest_wait_seconds", in.longest_wait_seconds);
  fields("late_ratio", in.late_ratio);
  fields("accepted_late_ratio", in.accepted_late_ratio);
  fields("recent_late_ratio", in.recent_late_ratio);
  fields("outlook_seconds", in.outlook_seconds);
  fields("start_seconds", in.start_seconds);
  fields("hold_seconds", in.hold_seconds);
  fields("ready", in.ready);
  fields("starting", in.starting);
  fields("overdue", in.overdue);
  fields("standby", in.standby);
  fields("promoted", in.promoted);
  fields("load_workers", in.load_workers);
  fields("spare_workers", in.spare_workers);
  fields("burst_workers", in.burst_workers);
  fields("backlog_workers", in.backlog_workers);
  fields("queue_target_workers", in.queue_target_workers);
  fields("held_workers", in.held_workers);
  fields("recurring_workers", in.recurring_workers);
}

// A decision is only written: what is read back of it is where it went.
static void list_members(FieldWriter& fields, Decision& d) {
  fields("from", d.from);
  fields("to", d.to);
  fields("standby", d.standby);
  fields.if_any("advised", d.advised);
  fields.word("reason", d.reason);
  fields.word("term", d.term);
  fields.word("limit", d.limit);
  fields("formula", d.formula);
  fields("why_not_more", d.why_not_more);
  fields("why_not_less", d.why_not_less);
  fields("replace", d.replace);
  fields("inputs", d.inputs);
}

namespace {

/// `decision` of a log record, as far as a replay reads it.
struct Move {
  int from = 0;
  int to = 0;
};

template <class F>
void list_members(F& fields, Move& move) {
  fields("from", move.from);
  fields("to", move.to);
}

struct Written {
  Time now{};
  Settings settings;
  Snapshot snapshot;
  Move decision;
};

template <class F>
void list_members(F& fields, Written& record) {
  fields("now_ns", record.now);
  fields("settings", record.settings);
  fields("snapshot", record.snapshot);
  fields("decision", record.decision);
}

}  // namespace

boost::json::object to_json(Settings const& settings) {
  return write_fields(settings);
}

boost::json::object to_json(Snapshot const& snapshot) {
  return write_fields(snapshot);
}

Inputs inputs_from_json(boost::json::value const& value) {
  return read_fields_leniently<Inputs>(value);
}

boost::json::object log_record(Settings const& settings, Snapshot const& snapshot, Decision const& decision,
                               Time now) {
  FieldWriter record;
  record("now_ns", now);
  record("settings", settings);
  record("snapshot", snapshot);
  record("decision", decision);
  return record.take();
}

Result<LogRecord> log_record_from_json(boost::json::value const& value) {
  auto read = read_fields<Written>(value);
  if (!read) return read.error();
  return LogRecord{read->settings, std::move(read->snapshot), read->decision.from, read->decision.to,
                   read->now};
}

}  // namespace ei::scaling
