// The members of every message of the worker link, as they stand in its header: one list for both directions.
// Not for others.
#pragma once

#include <limits>
#include <variant>

#include "dispatcher/contract/link/protocol.hpp"
#include "runtime/core/fields.hpp"

namespace ei::dispatcher::link {

[[nodiscard]] inline std::string_view name(ItemKind kind) {
  return kind == ItemKind::Image ? "image" : "tensor";
}

/// The alternative, made anew where the variant holds the other one.
template <class T, class Variant>
[[nodiscard]] T& as(Variant& variant) {
  return std::holds_alternative<T>(variant) ? std::get<T>(variant) : variant.template emplace<T>();
}

template <class Fields>
void list_members(Fields& fields, Hello& hello) {
  fields.text("worker", hello.worker, 256);
  fields.text("model", hello.model, 256);
  fields.within("classes", hello.classes, 1, kMaxClasses);
  fields.text("labels_sha256", hello.labels_sha256, 64);
  fields.within("slots", hello.slots, 1, kMaxItems);
  // A worker of an earlier release does not send these.
  fields.maybe("model_version", hello.model_version);
  fields.if_one_of("output", hello.output, kOutputs);
  fields.if_one_of("precision", hello.precision, kPrecisions);
  fields.if_any_within("agreement", hello.agreement, 0, 1);
  fields.if_any("standby", hello.standby);
}

template <class Fields>
void list_members(Fields& /*fields*/, Ready& /*ready*/) {}

template <class Fields>
void list_members(Fields& /*fields*/, Standby& /*standby*/) {}

template <class Fields>
void list_members(Fields& /*fields*/, Bye& /*bye*/) {}

template <class Fields>
void list_members(Fields& fields, Overrun& overrun) {
  fields("id", overrun.id);
}

template <class Fields>
void list_members(Fields& fields, Cancel& cancel) {
  fields("id", cancel.id);
}

template <class Fields>
void list_members(Fields& fields, Prediction& prediction) {
  fields.text("label", prediction.label, 4096);
  fields.within("index", prediction.index, 0, kMaxClasses - 1);
  fields.within("probability", prediction.probability, -0.001, 1.001);  // a float32 softmax rounds
}

template <class Fields>
void list_members(Fields& fields, ItemError& error) {
  fields.within("status", error.status, 400, 599);
  fields.text("detail", error.detail, 4096);
}

template <class Fields>
void list_members(Fields& fields, ItemResult& item) {
  if (fields.has("error", std::holds_alternative<ItemError>(item))) {
    fields("error", as<ItemError>(item));
  } else {
    fields.list("top", as<std::vector<Prediction>>(item), 1, kMaxTop);
  }
}

template <class Fields>
void list_members(Fields& fields, JobResult& result) {
  fields("id", result.id);
  fields.list("items", result.items, 1, kMaxItems);
  // 1e9 ms are eleven days: far above any deadline.
  fields.within("preprocess_ms", result.preprocess_ms, 0, 1e9);
  fields.within("inference_ms", result.inference_ms, 0, 1e9);
  fields.maybe_within("waited_ms", result.waited_ms, 0, 1e9);
}

template <class Fields>
void list_members(Fields& fields, JobItem& item) {
  fields.word("kind", item.kind, {ItemKind::Image, ItemKind::Tensor});
  fields.within("bytes", item.bytes, 0, kMaxPayloadBytes);
  if (item.kind == ItemKind::Tensor) fields.within("count", item.count, 1, kMaxItems);
  // What names a request is no part of the job: one that this worker cannot read is left out.
  fields.if_text("request_id", item.tag.id);
  fields.if_text("traceparent", item.tag.traceparent);
  fields.if_text("tracestate", item.tag.tracestate);
}

template <class Fields>
void list_members(Fields& fields, Job& job) {
  fields("id", job.id);
  fields.list("items", job.items, 1, kMaxItems);
  fields.within("top", job.top, 1, kMaxTop);
  fields("probabilities", job.probabilities);
  fields.within("deadline_ms", job.deadline, std::chrono::milliseconds(0), kMaxDeadline);
}

}  // namespace ei::dispatcher::link
