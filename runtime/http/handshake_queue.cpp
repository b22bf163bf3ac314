#include "runtime/http/handshake_queue.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace ei::http {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

HandshakeQueue::HandshakeQueue(asio::any_io_executor executor, HandshakeLimits limits)
    : limits_(limits), turns_(limits), again_(std::move(executor)) {}

HandshakeQueue::Turn::Turn(std::shared_ptr<HandshakeQueue> queue)
    : queue_(std::move(queue)), begin_(Clock::now()) {}

HandshakeQueue::Turn::~Turn() {
  if (!queue_) return;
  auto const now = Clock::now();
  queue_->end_turn(now - begin_, now);
}

HandshakeQueue::Place::Place(std::shared_ptr<HandshakeQueue> queue, std::string origin)
    : queue_(std::move(queue)), origin_(std::move(origin)), timer_(queue_->again_.get_executor()) {}

void HandshakeQueue::Place::cancel() {
  cancelled_ = true;
  timer_.cancel();
}

asio::awaitable<std::optional<HandshakeQueue::Turn>> HandshakeQueue::Place::turn(bool begun) {
  if (cancelled_) co_return std::nullopt;
  auto& queue = *queue_;
  auto const ticket = queue.turns_.enter(origin_, begun);
  called_ = false;
  timer_.expires_after(queue.limits_.patience);
  queue.waiting_.emplace(ticket.number, this);
  // However the wait ends, nothing of it stays in the line.
  struct Leave {
    Place& place;
    HandshakeTurns::Ticket const& ticket;
    ~Leave() {
      place.queue_->turns_.leave(ticket);
      place.queue_->waiting_.erase(ticket.number);
      if (place.queue_->turns_.waiting() == 0) place.queue_->again_.cancel();
    }
  };
  Leave const leave{*this, ticket};
  queue.call_next();
  waited_ = !called_;
  if (waited_) co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
  if (!called_) co_return std::nullopt;
  Turn turn(queue_);
  // Called and cancelled in one round of the loop: the next one gets the turn.
  if (cancelled_) co_return std::nullopt;
  co_return std::move(turn);
}

// Whoever is called runs in this round of the loop, or is already doing so.
void HandshakeQueue::call_next() {
  if (busy_ || turns_.waiting() == 0) return;
  auto const now = Clock::now();
  auto const number = turns_.next(now);
  if (!number) {
    again_.expires_at(turns_.ready());
    again_.async_wait([weak = weak_from_this()](boost::system::error_code const& cancelled) {
      auto const self = weak.lock();
      if (self && !cancelled) self->call_next();
    });
    return;
  }
  busy_ = true;
  auto const place = waiting_.extract(*number);
  place.mapped()->called_ = true;
  place.mapped()->timer_.cancel();
}

// What became ready to run while a step ran does so before the next step.
void HandshakeQueue::end_turn(std::chrono::nanoseconds taken, SteadyTime now) {
  turns_.spend(taken, now);
  asio::post(again_.get_executor(), [self = shared_from_this()] {
    self->busy_ = false;
    self->call_next();
  });
}

}  // namespace ei::http
