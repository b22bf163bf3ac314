#include "runtime/http/websocket_frames.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "runtime/core/encoding.hpp"
#include "runtime/http/client.hpp"
#include "runtime/http/parser.hpp"
#include "runtime/http/websocket_closed.hpp"
#include "runtime/http/websocket_layer.hpp"

namespace ei::http {
namespace {

namespace beast = boost::beast;
namespace ws = boost::beast::websocket;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// Frames of large messages: big enough that a picture is one, small enough that a ping gets through between
// two of them even at 1 Mbit/s (2 s each), before a silent peer is taken for dead.
constexpr std::size_t kFrameBytes = 256 * 1024;
// For the server's side of the handshake; the client's has the caller's deadline.
constexpr milliseconds kHandshakeTimeout{5'000};
// The head of the answer to an upgrade, as much as a server takes of a request's.
constexpr std::size_t kMaxHeader = 16 * 1024;
// An answer that refuses the upgrade; ours are a few hundred bytes.
constexpr std::size_t kMaxRefusal = 64 * 1024;
// RFC 6455, section 5.5: a control frame carries 125 bytes, two of them the code.
constexpr std::size_t kMaxReason = 123;
// permessage-deflate is not offered: pictures do not shrink, and its code would be built in all the same.
constexpr bool kDeflate = false;

Error read_error(beast::error_code const& code, ws::close_reason const& reason) {
  if (code == ws::error::closed) {
    std::string const why(reason.reason.data(), reason.reason.size());
    return make_error(ErrorKind::Unavailable, std::string(kPeerClosed) + (why.empty() ? "" : ": " + why));
  }
  if (code == beast::error::timeout) return make_error(ErrorKind::Timeout, "the peer is silent");
  if (code == asio::error::operation_aborted)
    return make_error(ErrorKind::Canceled, "the connection was given up");
  if (code == ws::error::message_too_big || code == ws::error::buffer_overflow) {
    return make_error(ErrorKind::Protocol, "a message is over the limit");
  }
  if (code == make_error_condition(ws::condition::protocol_violation)) {
    return make_error(ErrorKind::Protocol, code.message());
  }
  return make_error(ErrorKind::Unavailable, "the connection was lost: " + code.message());
}

Error refusal_error(ws::response_type const& answer) {
  Response refusal;
  refusal.status = static_cast<int>(answer.result_int());
  for (auto const& field : answer) {
    refusal.headers.add(std::string(field.name_string()), std::string(field.value()));
  }
  refusal.body = answer.body().substr(0, kMaxRefusal);
  return error_from_response(refusal);
}

// Reads the answer to an upgrade before Beast does, which bounds the bytes of one read, not of all.
class HandshakeGate {
 public:
  bool operator()(std::string_view bytes) {
    auto const used = parser_.feed(bytes);
    if (!used) fault_ = used.error();
    body_ += parser_.take_body().size();
    if (body_ > kMaxRefusal) fault_ = make_error(ErrorKind::Protocol, "the answer's body is too large");
    return !fault_;
  }
  [[nodiscard]] std::optional<Error> const& fault() const { return fault_; }

 private:
  ResponseParser parser_{kMaxHeader, false};
  std::size_t body_ = 0;
  std::optional<Error> fault_;
};

}  // namespace

struct WebSocketFrames::Stream : ws::stream<WebSocketLayer, kDeflate> {
  using ws::stream<WebSocketLayer, kDeflate>::stream;

  void set_timeouts(milliseconds handshake, milliseconds dead_after) {
    ws::stream_base::timeout timeouts{};
    timeouts.handshake_timeout = handshake;  // Beast uses it for closing too
    timeouts.idle_timeout = dead_after;
    timeouts.keep_alive_pings = true;
    set_option(timeouts);
  }
};

WebSocketFrames::WebSocketFrames(AnyStream stream, WebSocketLimits const& limits)
    : peer_(describe_peer(lowest(stream))),
      max_message_(limits.max_message),
      dead_after_(limits.dead_after),
      close_timeout_(limits.close_timeout),
      stream_(std::make_unique<Stream>(std::move(stream))) {
  stream_->read_message_max(max_message_);
  stream_->write_buffer_bytes(kFrameBytes);
  stream_->binary(true);
}

WebSocketFrames::~WebSocketFrames() = default;

asio::awaitable<Result<void>> WebSocketFrames::accept(Request request) {
  stream_->set_timeouts(kHandshakeTimeout, dead_after_);
  beast::http::request<beast::http::string_body> upgrade(beast::http::verb::get, request.target, 11);
  for (auto const& [name, value] : request.headers) upgrade.insert(name, value);
  auto const [code] = co_await stream_->async_accept(upgrade, kAwait);
  if (code) co_return make_error(ErrorKind::Protocol, "no WebSocket upgrade: " + code.message());
  stream_->set_timeouts(close_timeout_, dead_after_);
  co_return Result<void>(boost::system::in_place_value);
}

asio::awaitable<Result<void>> WebSocketFrames::handshake(WebSocketConnect const& options,
                                                         SteadyTime deadline) {
  auto const left = std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
  stream_->set_timeouts(std::max(milliseconds{1}, left), dead_after_);
  stream_->set_option(ws::stream_base::decorator([&options](ws::request_type& request) {
    for (auto const& [name, value] : options.headers) request.insert(name, value);
  }));
  ws::response_type answer;
  auto const host = options.url.authority();
  auto const gate = std::make_shared<HandshakeGate>();
  stream_->next_layer().set_gate([gate](std::string_view bytes) { return (*gate)(bytes); });
  auto const [code] = co_await stream_->async_handshake(answer, host, options.url.target, kAwait);
  stream_->next_layer().set_gate(nullptr);
  stream_->set_option(ws::stream_base::decorator([](ws::request_type&) {}));
  if (gate->fault()) co_return with_context(*gate->fault(), "the WebSocket upgrade");
  if (code == ws::error::upgrade_declined) co_return refusal_error(answer);
  if (code == beast::error::timeout)
    co_return make_error(ErrorKind::Timeout, "the WebSocket upgrade took too long");
  if (code) co_return make_error(ErrorKind::Unavailable, "the WebSocket upgrade failed: " + code.message());
  stream_->set_timeouts(close_timeout_, dead_after_);
  co_return Result<void>(boost::system::in_place_value);
}

asio::awaitable<Result<WebSocket::Message>> WebSocketFrames::read() {
  WebSocket::Message message;
  auto buffer = asio::dynamic_buffer(message.data, max_message_);
  auto const [code, size] = co_await stream_->async_read(buffer, kAwait);
  if (code) co_return read_error(code, stream_->reason());
  message.binary = stream_->got_binary();
  message.data.resize(size);
  co_return message;
}

asio::awaitable<Result<void>> WebSocketFrames::write(WebSocket::Message const& message) {
  stream_->binary(message.binary);
  std::vector<asio::const_buffer> pieces{asio::buffer(message.data)};
  for (std::string_view const part : message.more) pieces.emplace_back(part.data(), part.size());
  auto const [code, size] = co_await stream_->async_write(pieces, kAwait);
  if (code) co_return read_error(code, stream_->reason());
  co_return Result<void>(boost::system::in_place_value);
}

asio::awaitable<void> WebSocketFrames::close(std::string_view reason) {
  ws::close_reason why(ws::close_code::normal);
  why.reason = std::string(clipped(to_utf8(reason), kMaxReason));
  auto const [code] = co_await stream_->async_close(why, kAwait);
  static_cast<void>(code);  // closed either way
}

void WebSocketFrames::drop() {
  beast_close_socket(stream_->next_layer());
}

asio::any_io_executor WebSocketFrames::executor() {
  return stream_->get_executor();
}

}  // namespace ei::http
