#include "runtime/trace/span.hpp"

#include <boost/json.hpp>
#include <chrono>

#include "runtime/core/json.hpp"
#include "runtime/core/version.hpp"

namespace ei::trace {
namespace {

namespace json = boost::json;

// OTLP's status code for an error.
constexpr int kError = 2;

struct ToValue {
  json::object operator()(std::string const& text) const { return {{"stringValue", text}}; }
  // protobuf writes 64-bit integers as strings.
  json::object operator()(std::int64_t number) const { return {{"intValue", std::to_string(number)}}; }
  json::object operator()(double number) const { return {{"doubleValue", number}}; }
};

json::array to_json(Attributes const& attributes) {
  json::array out;
  for (auto const& [name, value] : attributes)
    out.push_back({{"key", name}, {"value", std::visit(ToValue{}, value)}});
  return out;
}

std::string nanoseconds(WallTime time) {
  auto const since = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch());
  return std::to_string(since.count());
}

}  // namespace

std::string to_otlp(Span const& span) {
  json::object out{{"traceId", span.trace_id},
                   {"spanId", span.span_id},
                   {"name", span.name},
                   {"kind", static_cast<int>(span.kind)},
                   {"startTimeUnixNano", nanoseconds(span.start)},
                   {"endTimeUnixNano", nanoseconds(span.end)},
                   {"attributes", to_json(span.attributes)}};
  if (!span.parent_id.empty()) out["parentSpanId"] = span.parent_id;
  if (!span.tracestate.empty()) out["traceState"] = span.tracestate;
  if (span.failed) out["status"] = {{"code", kError}};
  return to_json_text(out);
}

std::string to_otlp(std::vector<std::string> const& spans, Attributes const& resource) {
  json::object const about{{"attributes", to_json(resource)}};
  json::object const scope{{"name", "elastic-inference"}, {"version", version()}};
  std::string out = R"({"resourceSpans":[{"resource":)" + to_json_text(about);
  out += R"(,"scopeSpans":[{"scope":)" + to_json_text(scope) + R"(,"spans":[)";
  for (auto const& span : spans) {
    if (out.back() != '[') out += ',';
    out += span;
  }
  return out + "]}]}]}";
}

}  // namespace ei::trace
