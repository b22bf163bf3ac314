#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <unordered_map>

#include "runtime/http/handshake_turns.hpp"

namespace ei::http {
namespace asio = boost::asio;

/// Lets one TLS handshake's step at a time run, as HandshakeTurns says, and between two of them whatever else
/// is ready to run. Any number of servers of one thread may share one.
class HandshakeQueue : public std::enable_shared_from_this<HandshakeQueue> {
 public:
  explicit HandshakeQueue(asio::any_io_executor executor, HandshakeLimits limits = {});

  /// The right to run a step; its end counts what it took, and lets the next one go on.
  class Turn {
   public:
    explicit Turn(std::shared_ptr<HandshakeQueue> queue);
    Turn(Turn&&) noexcept = default;
    Turn& operator=(Turn&&) = delete;
    ~Turn();

   private:
    std::shared_ptr<HandshakeQueue> queue_;
    SteadyTime begin_;
  };

  /// One connection's place, for as long as its handshake takes.
  class Place {
   public:
    Place(std::shared_ptr<HandshakeQueue> queue, std::string origin);
    /// Waits for a step's turn; none after the patience, and none any more after cancel().
    [[nodiscard]] asio::awaitable<std::optional<Turn>> turn(bool begun);
    void cancel();
    /// Whether the last turn was waited for.
    [[nodiscard]] bool waited() const { return waited_; }

   private:
    friend class HandshakeQueue;
    std::shared_ptr<HandshakeQueue> queue_;
    std::string origin_;
    asio::steady_timer timer_;
    bool called_ = false;
    bool cancelled_ = false;
    bool waited_ = false;
  };

  [[nodiscard]] std::size_t waiting() const { return turns_.waiting(); }
  [[nodiscard]] std::chrono::nanoseconds spent() const { return turns_.spent(); }

 private:
  void end_turn(std::chrono::nanoseconds taken, SteadyTime now);
  void call_next();

  HandshakeLimits limits_;
  HandshakeTurns turns_;
  std::unordered_map<std::uint64_t, Place*> waiting_;  // by their tickets' numbers
  asio::steady_timer again_;                           // when the next one may be called
  bool busy_ = false;                                  // somebody has the turn, or had it until just now
};

}  // namespace ei::http
