#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/handshake.hpp"
#include "runtime/http/handshake_queue.hpp"
#include "runtime/http/tls_context.hpp"

namespace ei::http {
namespace asio = boost::asio;
using asio::ip::tcp;

inline constexpr SteadyTime kNever = SteadyTime::max();

/// Calls `on_expire` once when an armed deadline passes; never after disarm() or its own end, even when the
/// timer had already fired and only its handler was still queued.
class Watchdog {
 public:
  Watchdog(asio::any_io_executor executor, std::function<void()> on_expire);
  ~Watchdog();
  Watchdog(Watchdog const&) = delete;
  Watchdog& operator=(Watchdog const&) = delete;

  void arm(SteadyTime deadline);
  /// True when the deadline passed since arm().
  bool disarm();

 private:
  struct State;
  std::shared_ptr<State> state_;
  asio::steady_timer timer_;
};

using AnyStream = std::variant<tcp::socket, TlsStream>;

/// A connected byte stream, plain or TLS, whose reads and writes have deadlines.
/// One read and one write may be in progress at a time.
class Transport {
 public:
  explicit Transport(AnyStream stream);
  ~Transport();

  /// Reads at most `buffer.size()` bytes; 0 at the stream's end.
  /// Errors: Timeout, Canceled (cancel_read, cancellation), Unavailable.
  [[nodiscard]] asio::awaitable<Result<std::size_t>> read_some(asio::mutable_buffer buffer,
                                                               SteadyTime deadline);

  /// Waits for bytes and appends at most `most` of them; 0 at the stream's end. Nothing is set aside for them
  /// while it waits. Errors: as read_some.
  [[nodiscard]] asio::awaitable<Result<std::size_t>> read_into(std::string& out, std::size_t most,
                                                               SteadyTime deadline);

  /// The same, without a copy in between where the stream is plain; `out` has room for `most` more.
  /// `is_there`: tries before it waits.
  [[nodiscard]] asio::awaitable<Result<std::size_t>> read_straight_into(std::string& out, std::size_t most,
                                                                        SteadyTime deadline, bool is_there);

  /// Writes both texts, in order. `later`, where given, is asked at the deadline: a time to come is the next
  /// deadline. Errors: Timeout, Canceled, Unavailable; the stream is then unusable.
  [[nodiscard]] asio::awaitable<Result<void>> write(std::string_view first, std::string_view second,
                                                    SteadyTime deadline,
                                                    std::function<SteadyTime()> later = {});

  /// The client's half of the TLS handshake; does nothing on a plain stream.
  [[nodiscard]] asio::awaitable<Result<void>> handshake(SteadyTime deadline);

  struct FailedHandshake {
    HandshakeFault fault;
    std::string detail;
  };
  /// The server's half, each step of it in its turn among those of other clients; empty where it succeeded.
  /// `queue` and `origin`, whose connections count together, are not looked at on a plain stream. After
  /// PlainHttp nothing has been read, and say() can answer.
  [[nodiscard]] asio::awaitable<std::optional<FailedHandshake>> accept_handshake(
      std::shared_ptr<HandshakeQueue> queue, std::string origin, SteadyTime deadline);

  /// Writes below TLS, as far as that goes without waiting.
  void say(std::string_view bytes);

  /// Says that no more bytes follow, under TLS also in its own words, then reads and drops what the peer
  /// still sends until it closes or the deadline: closing with unread bytes would reset the connection and
  /// could destroy the answer on its way (RFC 9112, 9.6).
  [[nodiscard]] asio::awaitable<void> linger(SteadyTime deadline);

  /// Ends the read in progress with Canceled. A write in progress would end too.
  void cancel_read();
  void close();
  /// Closes, and has the system forget what the peer has not taken.
  void reset();
  /// False when the peer has closed or sent something unasked (asked without waiting).
  [[nodiscard]] bool is_quiet();
  [[nodiscard]] std::string peer() const { return peer_; }
  [[nodiscard]] tcp::socket& socket();
  [[nodiscard]] bool encrypted() const { return std::holds_alternative<TlsStream>(stream_); }
  /// Takes the stream out; the transport is then closed.
  [[nodiscard]] AnyStream release();

 private:
  asio::awaitable<Result<std::size_t>> read_record(TlsStream& tls, std::string& out, std::size_t most,
                                                   SteadyTime deadline);
  asio::awaitable<void> close_notify(SteadyTime deadline);
  void end_late_write();
  asio::awaitable<boost::system::error_code> shake_hands(TlsStream& tls, HandshakeQueue::Place& place);

  AnyStream stream_;
  HandshakeQueue::Place* place_ = nullptr;  // set while it shakes hands
  std::string peer_;
  Watchdog read_deadline_;
  Watchdog write_deadline_;
  std::function<SteadyTime()> later_write_deadline_;
};

/// Programs that this one starts do not inherit the descriptor.
void keep_from_children(int descriptor);
/// The socket under a stream.
[[nodiscard]] tcp::socket& lowest(AnyStream& stream);
/// `address:port` of the other end, "" when it is not connected.
[[nodiscard]] std::string describe_peer(tcp::socket const& socket);
/// Settings for every connection: no Nagle delay, keep-alive probes, not handed to programs that are started.
void tune(tcp::socket& socket);

}  // namespace ei::http
