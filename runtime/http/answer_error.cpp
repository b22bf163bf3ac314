#include <charconv>

#include "runtime/http/client.hpp"

namespace ei::http {
namespace {

ErrorKind kind_of_status(int status) {
  switch (status) {
    case 401:
      return ErrorKind::Unauthorized;
    case 403:
      return ErrorKind::Forbidden;
    case 404:
      return ErrorKind::NotFound;
    case 408:
      return ErrorKind::Timeout;
    case 409:
      return ErrorKind::Conflict;
    case 410:
      return ErrorKind::Gone;
    case 429:
      return ErrorKind::TooMany;
    case 504:
      return ErrorKind::Timeout;
    default:
      break;
  }
  if (status >= 400 && status < 500) return ErrorKind::Invalid;
  return status >= 500 ? ErrorKind::Unavailable : ErrorKind::Protocol;
}

}  // namespace

Error error_from_response(Response const& response) {
  // Enough of a body to see what is wrong, little enough for a log line.
  constexpr std::size_t kQuoted = 300;
  std::string message =
      "HTTP " + std::to_string(response.status) + " " + std::string(reason_phrase(response.status));
  if (!response.body.empty()) message += ": " + response.body.substr(0, kQuoted);
  Error error = make_error(kind_of_status(response.status), std::move(message));
  error.http_status = response.status;
  auto const after = response.headers.get("Retry-After");
  if (after) {
    long long seconds = 0;
    auto const read = std::from_chars(after->data(), after->data() + after->size(), seconds);
    // A day at most: a longer wish is a fault, and the multiplication must not overflow.
    if (read.ec == std::errc() && seconds >= 0 && seconds <= 86'400)
      error.retry_after = milliseconds{seconds * 1000};
  }
  return error;
}

}  // namespace ei::http
