#include "runtime/core/result.hpp"

#include <ostream>

namespace ei {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Invalid:
      return "invalid";
    case ErrorKind::NotFound:
      return "not_found";
    case ErrorKind::Conflict:
      return "conflict";
    case ErrorKind::AlreadyExists:
      return "already_exists";
    case ErrorKind::Unauthorized:
      return "unauthorized";
    case ErrorKind::Forbidden:
      return "forbidden";
    case ErrorKind::Gone:
      return "gone";
    case ErrorKind::TooMany:
      return "too_many";
    case ErrorKind::Unavailable:
      return "unavailable";
    case ErrorKind::Timeout:
      return "timeout";
    case ErrorKind::Canceled:
      return "canceled";
    case ErrorKind::Protocol:
      return "protocol";
    case ErrorKind::Io:
      return "io";
  }
  return "unknown";
}

std::ostream& operator<<(std::ostream& out, Error const& error) {
  return out << to_string(error.kind) << ": " << error.message;
}

ResultError::ResultError(Error error)
    : std::logic_error("value() of a failed result: " + error.message), error_(std::move(error)) {}

void throw_exception_from_error(Error const& error, boost::source_location const&) {
  throw ResultError(error);
}

Error make_error(ErrorKind kind, std::string message) {
  Error error;
  error.kind = kind;
  error.message = std::move(message);
  return error;
}

Error with_context(Error error, std::string_view prefix) {
  error.message = std::string(prefix) + ": " + error.message;
  return error;
}

}  // namespace ei
