// How OpenTelemetry's environment variables are read. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/core/result.hpp"
#include "runtime/http/message.hpp"
#include "runtime/http/url.hpp"
#include "runtime/trace/span.hpp"

namespace ei::trace {

/// Where `endpoint` names a collector (`http://collector:4318`), the URL of its traces. Errors: Invalid.
[[nodiscard]] Result<http::Url> traces_url(std::string_view endpoint);

/// OTEL_EXPORTER_OTLP_HEADERS: `name=value,name=value`, values percent-encoded. Errors: Invalid, for what is
/// no header or one that the exporter sets itself; the message quotes no value, for it may be a secret.
[[nodiscard]] Result<http::Headers> parse_headers(std::string_view text);

/// OTEL_RESOURCE_ATTRIBUTES, in the same form. Errors: Invalid, with the message as above.
[[nodiscard]] Result<Attributes> parse_attributes(std::string_view text);

}  // namespace ei::trace
