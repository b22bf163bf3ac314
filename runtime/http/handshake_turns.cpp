#include "runtime/http/handshake_turns.hpp"

#include <algorithm>

namespace ei::http {

HandshakeTurns::Ticket HandshakeTurns::enter(std::string const& origin, bool begun) {
  Ticket ticket{origin, begun, ++numbers_};
  auto& line = lines_[origin];
  (begun ? line.begun : line.fresh).insert(ticket.number);
  ++waiting_;
  return ticket;
}

void HandshakeTurns::leave(Ticket const& ticket) {
  auto const found = lines_.find(ticket.origin);
  if (found == lines_.end()) return;
  auto& line = found->second;
  waiting_ -= (ticket.begun ? line.begun : line.fresh).erase(ticket.number);
  if (line.begun.empty() && line.fresh.empty()) lines_.erase(found);
}

std::optional<std::uint64_t> HandshakeTurns::next(SteadyTime now) {
  if (lines_.empty() || now < ready_) return std::nullopt;
  auto found = lines_.upper_bound(last_);
  if (found == lines_.end()) found = lines_.begin();
  auto const& line = found->second;
  bool const begun = !line.begun.empty();
  Ticket const ticket{found->first, begun, begun ? *line.begun.begin() : *line.fresh.begin()};
  last_ = ticket.origin;
  leave(ticket);
  return ticket.number;
}

// A step is paid for by time that has to pass. Of what passed without one, as much is kept
// as pays for a burst.
void HandshakeTurns::spend(std::chrono::nanoseconds taken, SteadyTime now) {
  auto const scaled = [this](std::chrono::nanoseconds time) {
    return std::chrono::nanoseconds(
        static_cast<std::int64_t>(static_cast<double>(time.count()) / limits_.share));
  };
  spent_ += taken;
  auto const kept = scaled(limits_.burst) - limits_.burst;
  ready_ = std::max(ready_, now - taken - kept) + scaled(taken);
}

}  // namespace ei::http
