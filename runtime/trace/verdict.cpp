#include "runtime/trace/verdict.hpp"

#include <algorithm>
#include <boost/json/value.hpp>
#include <charconv>
#include <cmath>

#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"
#include "runtime/http/client.hpp"

namespace ei::trace {
namespace {

// Enough of a collector's words for a log line.
constexpr std::size_t kQuoted = 300;

// protobuf writes 64-bit integers as strings, and reads numbers too.
std::uint64_t as_count(boost::json::value const* value) {
  std::uint64_t count = 0;
  if (value == nullptr) return 0;
  if (value->is_int64()) return static_cast<std::uint64_t>(std::max<std::int64_t>(value->as_int64(), 0));
  if (value->is_uint64()) return value->as_uint64();
  if (!value->is_string()) return 0;
  auto const& text = value->as_string();
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

// An ExportTraceServiceResponse. What cannot be read says nothing of rejected spans.
Verdict of_success(http::Response const& answer) {
  Verdict out;
  auto const read = parse_json(answer.body);
  if (!read) return out;
  out.rejected = as_count(find_member(*read, "partialSuccess.rejectedSpans"));
  out.fault = clipped(string_or(*read, "partialSuccess.errorMessage"), kQuoted);
  if (out.rejected > 0 && out.fault.empty()) out.fault = "the collector rejected spans without a word";
  return out;
}

bool may_be_sent_again(Error const& error) {
  if (error.http_status == 0) return error.kind == ErrorKind::Unavailable || error.kind == ErrorKind::Timeout;
  return error.http_status == 429 || (error.http_status >= 502 && error.http_status <= 504);
}

// Give or take a fifth.
milliseconds pause_after(int attempt, double chance) {
  double const grown = static_cast<double>(kFirstPause.count()) * std::pow(kPauseGrowth, attempt - 1);
  double const bounded = std::min(grown, static_cast<double>(kLongestPause.count()));
  return milliseconds(std::llround(bounded * (0.8 + 0.4 * chance)));
}

}  // namespace

Verdict judge(Result<http::Response> const& answer, int attempt, double chance) {
  if (answer && answer->status / 100 == 2) return of_success(*answer);
  Error const error = answer ? http::error_from_response(*answer) : answer.error();
  Verdict out;
  out.taken = false;
  out.fault = error.message;
  if (!may_be_sent_again(error) || attempt >= kAttempts) return out;
  out.again = error.retry_after ? std::min(*error.retry_after, kLongestWish) : pause_after(attempt, chance);
  return out;
}

}  // namespace ei::trace
