#include "dispatcher/routes/arrivals.hpp"

#include <charconv>
#include <optional>

#include "dispatcher/contract/answer/answer.hpp"
#include "dispatcher/contract/arrivals.hpp"

namespace ei::dispatcher {
namespace {

// Of one who finds no room: others wait for a minute at most.
constexpr milliseconds kRetry{10'000};

Result<std::uint64_t> whole_number(http::Request const& request, char const* name, std::uint64_t most) {
  auto const given = http::query_value(request.query, name).value_or("");
  std::uint64_t number = 0;
  auto const [end, failed] = std::from_chars(given.data(), given.data() + given.size(), number);
  if (failed == std::errc() && end == given.data() + given.size() && number <= most) return number;
  return status_error(400, std::string(name) + " is \"" + given.substr(0, 40) +
                               "\"; allowed: a whole number from 0 to " + std::to_string(most));
}

}  // namespace

asio::awaitable<http::Response> arrivals(RouteContext& context, http::Request request) {
  auto const known = whole_number(request, arrival::kKnown, std::uint64_t{1} << 53U);
  if (!known) co_return problem_of(known.error());
  auto const wait =
      whole_number(request, arrival::kWait, static_cast<std::uint64_t>(arrival::kLongestWait.count()));
  if (!wait) co_return problem_of(wait.error());
  if (!context.live.has_room_for_watcher()) {
    auto full =
        status_error(503, "as many wait for arrivals as may: " + std::to_string(LiveExchange::kMostWatchers));
    full.retry_after = kRetry;
    co_return problem_of(full);
  }
  auto const longest = milliseconds(static_cast<std::int64_t>(*wait));
  bool const came = co_await context.live.wait_arrivals(*known, longest);
  http::Response out;
  if (came)
    co_return http::text(200, std::to_string(context.live.exchange().queue().counters().arrivals) + "\n");
  out.status = 204;
  co_return out;
}

}  // namespace ei::dispatcher
