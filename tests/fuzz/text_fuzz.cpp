// The small texts that come from outside: URLs, durations, quantities, times, escapes.
#include "runtime/core/encoding.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/message.hpp"
#include "runtime/http/url.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ei;
using fuzz::require;

void check_url(std::string_view input) {
  auto const [line, rest] = fuzz::headed(input);
  auto const url = http::parse_url(line);
  if (!url) return;
  auto const again = http::parse_url(url->to_string());
  require(again && *again == *url, "a URL survives being written and read");
  require(url->target.find_first_of("\r\n ") == std::string::npos, "a target cannot start a new line");
  auto const next = http::resolve_url(*url, rest);
  if (!next) return;
  auto const next_again = http::parse_url(next->to_string());
  require(next_again && *next_again == *next, "a resolved URL survives being written and read");
}

void check_units(std::string_view input) {
  if (auto const duration = parse_duration(input)) {
    auto const again = parse_duration(format_duration(*duration));
    require(again && *again == *duration, "a duration survives being written and read");
  }
  if (auto const milli = parse_quantity_milli(input)) require(*milli >= 0, "a quantity is not negative");
  if (auto const time = parse_rfc3339(input)) {
    auto const again = parse_rfc3339(format_rfc3339(*time));
    require(again && *again == *time, "a time survives being written and read");
  }
}

void check_encodings(std::string_view input) {
  if (auto const bytes = base64_decode(input)) {
    auto const again = base64_decode(base64_encode(*bytes));
    require(again && *again == *bytes, "base64 survives being written and read");
  }
  auto const whole = base64_decode(base64_encode(input));
  require(whole && *whole == input, "any bytes survive base64");
  auto const escaped = percent_decode(percent_encode(input));
  require(escaped && *escaped == input, "any bytes survive percent-encoding");
  auto const text = to_utf8(input);
  require(is_utf8(text) && to_utf8(text) == text, "text is UTF-8 once it was made so");
  require(is_utf8(input) == (text == input), "UTF-8 is left as it is");
  for (std::size_t const most : {0U, 1U, 5U, 80U}) {
    auto const short_text = clipped(text, most);
    require(short_text.size() <= most && is_utf8(short_text), "a clipped text ends between characters");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const input = fuzz::view(data, size);
  check_url(input);
  check_units(input);
  check_encodings(input);
  static_cast<void>(http::query_value(input, "timeout"));
  return 0;
}
