#pragma once

#include <array>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <functional>
#include <string_view>
#include <utility>

#include "runtime/http/transport.hpp"

namespace boost::beast {
enum class role_type;  // so that Beast stays out of this header
}

namespace ei::http {

/// At most four pieces of memory, as a buffer sequence. A read or write of "some" bytes may leave the rest.
template <class Buffer>
class FewBuffers {
 public:
  template <class Buffers>
  explicit FewBuffers(Buffers const& all) {
    for (auto at = asio::buffer_sequence_begin(all); at != asio::buffer_sequence_end(all); ++at) {
      if (Buffer const piece(*at); piece.size() > 0) pieces_[count_++] = piece;
      if (count_ == pieces_.size()) return;
    }
  }
  [[nodiscard]] Buffer const* begin() const { return pieces_.data(); }
  [[nodiscard]] Buffer const* end() const { return pieces_.data() + count_; }

 private:
  std::array<Buffer, 4> pieces_{};  // a frame is two: its head and its bytes
  std::size_t count_ = 0;
};

/// A plain or TLS stream in the shape that Beast's WebSocket reads and writes (its AsyncStream), with the
/// type of the handlers hidden. Beast hands every one of its operations in as a type of its own; TLS would be
/// compiled once for each, for minutes and gigabytes where it is compiled with sanitizers.
class WebSocketLayer {
 public:
  using executor_type = asio::any_io_executor;
  using Transferred = void(boost::system::error_code, std::size_t);
  using Ended = void(boost::system::error_code);

  /// Sees what has been read before Beast does; false ends the read with an error.
  using Gate = std::function<bool(std::string_view)>;

  explicit WebSocketLayer(AnyStream stream) : stream_(std::move(stream)) {}

  /// For a handshake, of which Beast alone would not count the bytes; null again afterwards.
  void set_gate(Gate gate) { gate_ = std::move(gate); }

  [[nodiscard]] executor_type get_executor() { return socket().get_executor(); }
  [[nodiscard]] tcp::socket& socket() { return lowest(stream_); }

  template <class Buffers, class Token>
  auto async_read_some(Buffers const& buffers, Token&& token) {
    return asio::async_initiate<Token, Transferred>(
        [this](auto&& handler, FewBuffers<asio::mutable_buffer> const& into) {
          start_read(into, std::forward<decltype(handler)>(handler));
        },
        token, FewBuffers<asio::mutable_buffer>(buffers));
  }

  template <class Buffers, class Token>
  auto async_write_some(Buffers const& buffers, Token&& token) {
    return asio::async_initiate<Token, Transferred>(
        [this](auto&& handler, FewBuffers<asio::const_buffer> const& from) {
          start_write(from, std::forward<decltype(handler)>(handler));
        },
        token, FewBuffers<asio::const_buffer>(buffers));
  }

  /// Ends the connection as RFC 6455, section 7.1.1 asks of each role. Beast finds these by their names.
  template <class Handler>
  friend void async_teardown(boost::beast::role_type role, WebSocketLayer& layer, Handler&& handler) {
    layer.start_teardown(role, std::forward<Handler>(handler));
  }
  friend void beast_close_socket(WebSocketLayer& layer) {
    boost::system::error_code ignored;
    layer.socket().close(ignored);
  }

 private:
  void start_read(FewBuffers<asio::mutable_buffer> const& into,
                  asio::any_completion_handler<Transferred> handler);
  void start_write(FewBuffers<asio::const_buffer> const& from,
                   asio::any_completion_handler<Transferred> handler);
  void start_teardown(boost::beast::role_type role, asio::any_completion_handler<Ended> handler);

  [[nodiscard]] bool passes(FewBuffers<asio::mutable_buffer> const& read, std::size_t size);

  AnyStream stream_;
  Gate gate_;
};

}  // namespace ei::http
