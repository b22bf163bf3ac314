// What OpenTelemetry calls a span, and its form in OTLP's JSON. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/core/units.hpp"

namespace ei::trace {

using Attribute = std::pair<std::string, std::variant<std::string, std::int64_t, double>>;
using Attributes = std::vector<Attribute>;

/// The numbers are OTLP's.
enum class Kind { Internal = 1, Server = 2 };

struct Span {
  std::string trace_id;   ///< 32 hexadecimal digits
  std::string span_id;    ///< 16
  std::string parent_id;  ///< 16, or empty: it is the trace's first
  std::string tracestate = {};
  std::string name;
  Kind kind = Kind::Internal;
  WallTime start{};
  WallTime end{};
  Attributes attributes = {};
  bool failed = false;
};

/// The span as one line of OTLP's JSON.
[[nodiscard]] std::string to_otlp(Span const& span);

/// An ExportTraceServiceRequest, `{"resourceSpans": [...]}`, of spans that are such lines. `resource` tells
/// of this process.
[[nodiscard]] std::string to_otlp(std::vector<std::string> const& spans, Attributes const& resource);

}  // namespace ei::trace
