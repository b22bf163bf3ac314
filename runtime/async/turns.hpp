#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <utility>

namespace ei {
namespace asio = boost::asio;

/// Lets one coroutine of a thread at a time have what there is one of, in the order in which they asked. Who
/// waits is woken by who ends. Use from one thread.
class Turns {
 public:
  /// The right to go on; its end lets the next one go on.
  class Turn {
   public:
    explicit Turn(Turns& turns) : turns_(&turns) {}
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->pass_on();
    }

   private:
    Turns* turns_;
  };

  /// Waits until nobody before this one has a turn. Throws operation_aborted when it is cancelled.
  [[nodiscard]] asio::awaitable<Turn> take();
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  // In the frame of the coroutine that waits, so that it leaves the line however that one ends.
  struct Waiter {
    Waiter(Turns& line, asio::any_io_executor const& executor);
    ~Waiter();
    Waiter(Waiter const&) = delete;
    Waiter& operator=(Waiter const&) = delete;
    Turns& turns;
    asio::steady_timer called;  // cancelled when it is this one's turn
    bool has_turn = false;
  };
  void pass_on();

  std::list<Waiter*> waiting_;  // in the order in which they came
  bool taken_ = false;
};

}  // namespace ei
