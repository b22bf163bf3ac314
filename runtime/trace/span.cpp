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

json::object to_json(Span const& span) {
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
  return out;
}

}  // namespace

std::string to_otlp(std::vector<Span> const& spans, Attributes const& resource) {
  json::array all;
  for (auto const& span : spans) all.push_back(to_json(span));
  json::object const scope{{"name", "elastic-inference"}, {"version", version()}};
  json::object scoped{{"scope", scope}, {"spans", std::move(all)}};
  json::object of_resource{{"resource", {{"attributes", to_json(resource)}}}};
  of_resource["scopeSpans"] = json::array{std::move(scoped)};
  json::object out;
  out["resourceSpans"] = json::array{std::move(of_resource)};
  return to_json_text(out);
}

}  // namespace ei::trace
