#pragma once

#include <boost/system/result.hpp>
#include <chrono>
#include <iosfwd>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace ei {

/// What went wrong, as far as the caller's next step depends on it.
enum class ErrorKind {
  Invalid,        ///< the input itself is wrong: retrying cannot help
  NotFound,       ///< the thing does not exist
  Conflict,       ///< somebody else changed it first: read again, then retry
  AlreadyExists,  ///< a create met an existing thing
  Unauthorized,   ///< no or bad credentials
  Forbidden,      ///< good credentials, not allowed
  Gone,           ///< the position asked for is no longer kept: start from a fresh list
  TooMany,        ///< asked to slow down; see Error::retry_after
  Unavailable,    ///< the other side cannot be reached or serve just now
  Timeout,        ///< a deadline passed
  Canceled,       ///< this side gave up (cancellation, shutdown)
  Protocol,       ///< the other side broke the protocol or a limit of ours
  Io,             ///< a file or a socket failed
};

/// Stable snake_case name of a kind, for logs and metric labels.
[[nodiscard]] std::string_view to_string(ErrorKind kind);

/// An expected failure as a value.
struct Error {
  ErrorKind kind{};
  std::string message;  ///< for people; names the thing and the reason
  int http_status = 0;  ///< the answer's status where the failure was an HTTP answer, else 0
  std::optional<std::chrono::milliseconds> retry_after;  ///< what the other side asked for

  bool operator==(Error const&) const = default;
};

/// `kind: message`, as tests and traces print it.
std::ostream& operator<<(std::ostream& out, Error const& error);

/// Either a value or an Error. `value()` on an error throws ResultError; test with has_value() first.
template <class T>
using Result = boost::system::result<T, Error>;

/// Thrown only when `value()` is called on a failed Result, which is a bug of the caller.
class ResultError : public std::logic_error {
 public:
  explicit ResultError(Error error);
  [[nodiscard]] Error const& error() const { return error_; }

 private:
  Error error_;
};

/// Found by boost::system::result through argument-dependent lookup.
[[noreturn]] void throw_exception_from_error(Error const& error, boost::source_location const& where);

/// Shorthand for `Error{kind, message}`; safe inside co_await expressions, where aggregates are not (g++ 12).
[[nodiscard]] Error make_error(ErrorKind kind, std::string message);

/// The same error with `prefix: ` before its message.
[[nodiscard]] Error with_context(Error error, std::string_view prefix);

}  // namespace ei
