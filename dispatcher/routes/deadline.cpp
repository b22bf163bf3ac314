#include "dispatcher/routes/deadline.hpp"

#include <algorithm>
#include <charconv>

#include "dispatcher/contract/answer/answer.hpp"

namespace ei::dispatcher {

Result<SteadyTime> request_deadline(http::Headers const& headers, milliseconds longest, SteadyTime start) {
  auto const value = headers.get(kTimeoutHeader);
  if (!value) return start + longest;
  std::uint64_t given = 0;
  auto const [end, failed] = std::from_chars(value->data(), value->data() + value->size(), given);
  bool const whole = end == value->data() + value->size() && !value->empty();
  // More digits than a uint64 holds is still a number, and longer than any deadline.
  if (whole && failed == std::errc::result_out_of_range) return start + longest;
  if (!whole || failed != std::errc() || given == 0) {
    std::string message(kTimeoutHeader);
    message.append(" is \"").append(value->substr(0, 40));
    message.append("\"; allowed: a whole number of milliseconds from 1 to ");
    return status_error(400, message.append(std::to_string(longest.count())));
  }
  return start + std::min(longest, milliseconds(static_cast<std::int64_t>(
                                       std::min(given, static_cast<std::uint64_t>(longest.count())))));
}

}  // namespace ei::dispatcher
