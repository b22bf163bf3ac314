#include "dispatcher/routes/answer.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "dispatcher/contract/form/submitted.hpp"

namespace ei::dispatcher {
namespace {

ErrorKind kind_of(int status) {
  switch (status) {
    case 404:
      return ErrorKind::NotFound;
    case 429:
      return ErrorKind::TooMany;
    case 502:
    case 503:
      return ErrorKind::Unavailable;
    case 504:
      return ErrorKind::Timeout;
    default:
      return ErrorKind::Invalid;
  }
}

}  // namespace

Error status_error(int status, std::string message) {
  Error error = make_error(kind_of(status), std::move(message));
  error.http_status = status;
  return error;
}

http::Response problem_of(Error const& error) {
  int const status = error.http_status == 0 ? 500 : error.http_status;
  http::Response out = http::problem(status, std::string(http::reason_phrase(status)), error.message);
  if (error.retry_after) {
    auto const seconds = std::chrono::ceil<std::chrono::seconds>(*error.retry_after).count();
    out.headers.set("Retry-After", std::to_string(seconds));
  }
  if (status == 415) out.headers.set("Accept", std::string(kPictureTypes));
  return out;
}

Result<SteadyTime> request_deadline(http::Headers const& headers, milliseconds longest, SteadyTime start) {
  auto const value = headers.get(kTimeoutHeader);
  if (!value) return start + longest;
  std::uint64_t given = 0;
  auto const [end, failed] = std::from_chars(value->data(), value->data() + value->size(), given);
  bool const whole = end == value->data() + value->size() && !value->empty();
  // More digits than a uint64 holds is still a number, and longer than any deadline.
  if (whole && failed == std::errc::result_out_of_range) return start + longest;
  if (!whole || failed != std::errc() || given == 0) {
    return status_error(400, std::string(kTimeoutHeader) + " is \"" + std::string(value->substr(0, 40)) +
                                 "\"; allowed: a whole number of milliseconds from 1 to " +
                                 std::to_string(longest.count()));
  }
  return start + std::min(longest, milliseconds(static_cast<std::int64_t>(
                                       std::min(given, static_cast<std::uint64_t>(longest.count())))));
}

double to_ms(Duration duration) {
  return std::round(std::chrono::duration<double, std::micro>(duration).count()) / 1000;
}

}  // namespace ei::dispatcher
