#include "dispatcher/trace/tracer.hpp"

#include <algorithm>
#include <utility>

#include "runtime/http/request_tag.hpp"
#include "runtime/trace/exporter.hpp"

namespace ei::dispatcher {
namespace {

using trace::Span;

bool sampled(std::string const& traceparent) {
  return traceparent.ends_with("-01");
}

// Of a traceparent of version 00, as read_traceparent() gives it.
std::string trace_of(std::string const& traceparent) {
  return traceparent.substr(3, 32);
}
std::string span_of(std::string const& traceparent) {
  return traceparent.substr(36, 16);
}

// Probes and scrapes come every few seconds, and nobody asks why.
bool only_looks(std::string const& method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS" || method.empty();
}

Duration of_ms(double ms) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>(ms));
}

}  // namespace

Tracer::Tracer(trace::Exporter& exporter, double ratio)
    : exporter_(exporter), ratio_(ratio), random_(std::random_device()()) {}

void Tracer::begin(RequestTag& tag) {
  std::string trace_id;
  if (tag.traceparent.empty()) {
    // 53 bits, as many as a double has.
    if (static_cast<double>(random_() >> 11) * 0x1p-53 >= ratio_) return;
    trace_id = http::random_hex(32);
  } else {
    if (!sampled(tag.traceparent)) return;
    trace_id = trace_of(tag.traceparent);
    tag.client_span = span_of(tag.traceparent);
  }
  tag.traced = true;
  tag.traceparent = "00-" + trace_id + "-" + http::random_hex(16) + "-01";
}

void Tracer::answered(RequestTag const& tag, SteadyTime arrived, std::vector<Answer> const& answers) {
  if (!tag.traced || answers.empty()) return;
  // Of several pictures the last one to be answered is what the client waited for.
  auto const last = std::max_element(answers.begin(), answers.end(), [](Answer const& a, Answer const& b) {
    return a.queued + a.service < b.queued + b.service;
  });
  auto const decode = of_ms(last->preprocess_ms);
  auto const forward = of_ms(last->inference_ms);
  auto const hand_out = std::max(last->service - decode - forward, Duration(0));
  auto const ago = std::chrono::steady_clock::now() - arrived;
  auto at = std::chrono::system_clock::now() - std::chrono::duration_cast<WallTime::duration>(ago);
  for (auto const& [name, lasted] :
       {std::pair("queue", last->queued), {"hand-out", hand_out}, {"decode", decode}, {"forward", forward}}) {
    Span span;
    span.trace_id = trace_of(tag.traceparent);
    span.span_id = http::random_hex(16);
    span.parent_id = span_of(tag.traceparent);
    span.tracestate = tag.tracestate;
    span.name = name;
    span.start = at;
    at += std::chrono::duration_cast<WallTime::duration>(lasted);
    span.end = at;
    span.attributes = {{"model_version", last->model_version}};
    exporter_.offer(span);
  }
}

void Tracer::completed(http::Completed const& answer) {
  auto const& tag = answer.tag;
  if (!tag.traced || (tag.client_span.empty() && only_looks(answer.method))) return;
  Span span;
  span.trace_id = trace_of(tag.traceparent);
  span.span_id = span_of(tag.traceparent);
  span.parent_id = tag.client_span;
  span.tracestate = tag.tracestate;
  span.kind = trace::Kind::Server;
  span.name = answer.pattern.empty() ? answer.method : answer.method + " " + answer.pattern;
  span.end = std::chrono::system_clock::now();
  span.start = span.end - std::chrono::duration_cast<WallTime::duration>(answer.elapsed);
  span.attributes = {{"http.request.method", answer.method},
                     {"http.response.status_code", std::int64_t{answer.status}},
                     {"request_id", tag.id}};
  if (!answer.pattern.empty()) span.attributes.emplace_back("http.route", answer.pattern);
  span.failed = answer.status >= 500;
  exporter_.offer(span);
}

}  // namespace ei::dispatcher
