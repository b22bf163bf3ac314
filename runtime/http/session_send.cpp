// How a session's bytes leave: counted, and no slower than a least rate.
#include <chrono>
#include <utility>

#include "runtime/http/least_rate.hpp"
#include "runtime/http/send_queue.hpp"
#include "runtime/http/session.hpp"

namespace ei::http {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

std::uint64_t Session::taken() const {
  return transport_ ? acknowledged_bytes(transport_->socket().native_handle()) - taken_before_ : 0;
}

// Counts what is to be sent, at slower readers' cost where need be. One answer always has room.
void Session::hold_answer(std::size_t bytes) {
  answer_claim_ = std::make_unique<BodyBudget::Claim>(shared_->answers);
  while (!answer_claim_->raise_to(bytes) && shared_->end_slowest_reader(*this)) {
  }
}

// Sends an answer, or a part of a streamed one. Errors: as Transport::write.
asio::awaitable<Result<void>> Session::send(std::string_view first, std::string_view second) {
  auto const& options = shared_->options;
  enter(State::Answering);
  int const socket = transport_->socket().native_handle();
  if (!std::exchange(unsent_short_, true)) keep_unsent_short(socket);
  taken_before_ = acknowledged_bytes(socket);
  hold_answer(first.size() + second.size());
  auto const end = since_ + options.write_timeout;
  LeastRate rate(options.min_rate, options.min_rate_grace, since_);
  std::function<SteadyTime()> const later = [this, &rate, end] {
    return std::min(end, rate.look(taken(), Clock::now()));
  };
  auto const sent = co_await transport_->write(first, second, std::min(end, rate.until()), later);
  answer_claim_.reset();
  // Closed in order, the system would keep for minutes what nobody takes.
  if (!sent && sent.error().kind == ErrorKind::Timeout) transport_->reset();
  co_return sent;
}

}  // namespace ei::http
