#include "runtime/http/websocket.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <deque>

#include "runtime/http/client.hpp"
#include "runtime/http/dial.hpp"
#include "runtime/http/websocket_accept.hpp"
#include "runtime/http/wire.hpp"

namespace ei::http {
namespace {

namespace beast = boost::beast;
namespace ws = boost::beast::websocket;
using Clock = std::chrono::steady_clock;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// Frames of large messages: big enough to be cheap, small enough that a ping gets through between two of them
// even at 1 Mbit/s (0.5 s each).
constexpr std::size_t kFrameBytes = 64 * 1024;
// For the server's side of the handshake; the client's has the caller's deadline.
constexpr milliseconds kHandshakeTimeout{5'000};
// An answer that refuses the upgrade; ours are a few hundred bytes.
constexpr std::size_t kMaxRefusal = 64 * 1024;

struct Outgoing {
  explicit Outgoing(asio::any_io_executor executor) : left(std::move(executor), kNever) {}
  WebSocket::Message message;
  asio::steady_timer left;  // cancelled when the message has left, or never will
  bool done = false;
  std::optional<Error> failure;
};

Error read_error(beast::error_code const& code, ws::close_reason const& reason) {
  if (code == ws::error::closed) {
    std::string const why(reason.reason.data(), reason.reason.size());
    return make_error(ErrorKind::Unavailable, "the peer closed" + (why.empty() ? "" : ": " + why));
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

// Everything that pending operations use; they hold it, so the WebSocket itself may go at any time.
template <class Stream>
struct Connection : std::enable_shared_from_this<Connection<Stream>> {
  Connection(Stream next, WebSocketLimits const& given)
      : limits(given),
        peer(describe_peer(socket_of(next))),
        stream(std::move(next)),
        queue_moved(executor(), kNever) {
    stream.read_message_max(limits.max_message);
    stream.write_buffer_bytes(kFrameBytes);
    stream.binary(true);
  }

  static tcp::socket& socket_of(tcp::socket& socket) { return socket; }
  static tcp::socket& socket_of(TlsStream& tls) { return tls.next_layer(); }
  asio::any_io_executor executor() { return stream.get_executor(); }

  void set_timeouts(milliseconds handshake) {
    ws::stream_base::timeout timeouts{};
    timeouts.handshake_timeout = handshake;  // Beast uses it for closing too
    timeouts.idle_timeout = limits.dead_after;
    timeouts.keep_alive_pings = true;
    stream.set_option(timeouts);
  }

  asio::awaitable<Result<WebSocket::Message>> receive();
  asio::awaitable<Result<void>> send(WebSocket::Message message);
  asio::awaitable<void> pump();
  asio::awaitable<void> close(std::string reason);
  void fail(Error const& error);
  void abort();

  WebSocketLimits limits;
  std::string peer;
  ws::stream<Stream> stream;
  asio::steady_timer queue_moved;  // cancelled when the queue has become empty
  std::deque<std::shared_ptr<Outgoing>> queue;
  std::size_t queued_bytes = 0;
  bool pumping = false;
  bool closing = false;
  std::optional<Error> failure;
};

template <class Stream>
asio::awaitable<Result<WebSocket::Message>> Connection<Stream>::receive() {
  auto const self = this->shared_from_this();
  if (failure) co_return *failure;
  WebSocket::Message message;
  auto buffer = asio::dynamic_buffer(message.data, limits.max_message);
  auto const [code, size] = co_await stream.async_read(buffer, kAwait);
  if (code) {
    Error const error = read_error(code, stream.reason());
    fail(error);
    co_return error;
  }
  message.binary = stream.got_binary();
  message.data.resize(size);
  co_return message;
}

template <class Stream>
asio::awaitable<Result<void>> Connection<Stream>::send(WebSocket::Message message) {
  auto const self = this->shared_from_this();
  if (failure) co_return *failure;
  if (closing) co_return make_error(ErrorKind::Canceled, "the connection is being closed");
  if (queued_bytes + message.data.size() > limits.max_queued) {
    co_return make_error(ErrorKind::TooMany, "too many bytes wait to be sent");
  }
  auto const item = std::make_shared<Outgoing>(executor());
  item->message = std::move(message);
  queued_bytes += item->message.data.size();
  queue.push_back(item);
  if (!pumping) {
    pumping = true;
    asio::co_spawn(executor(), self->pump(), asio::detached);
  }
  // The timer never fires: the wait ends with the message's fate, or with the caller's cancellation.
  if (!item->done) co_await item->left.async_wait(kAwait);
  if (!item->done) co_return make_error(ErrorKind::Canceled, "the sender was cancelled");
  if (item->failure) co_return *item->failure;
  co_return Result<void>(boost::system::in_place_value);
}

// The one writer: as long as the queue lasts.
template <class Stream>
asio::awaitable<void> Connection<Stream>::pump() {
  auto const self = this->shared_from_this();
  while (!queue.empty() && !failure) {
    auto const item = queue.front();
    stream.binary(item->message.binary);
    auto const [code, size] = co_await stream.async_write(asio::buffer(item->message.data), kAwait);
    if (code) {
      fail(read_error(code, stream.reason()));
      break;
    }
    queued_bytes -= item->message.data.size();
    queue.pop_front();
    item->done = true;
    item->left.cancel();
  }
  pumping = false;
  queue_moved.cancel();
}

// The first failure is every later call's answer.
template <class Stream>
void Connection<Stream>::fail(Error const& error) {
  if (!failure) failure = error;
  for (auto const& item : queue) {
    item->failure = failure;
    item->done = true;
    item->left.cancel();
  }
  queue.clear();
  queued_bytes = 0;
  queue_moved.cancel();
  beast::error_code ignored;
  socket_of(stream.next_layer()).close(ignored);
}

template <class Stream>
asio::awaitable<void> Connection<Stream>::close(std::string reason) {
  auto const self = this->shared_from_this();
  if (failure || closing) co_return;
  closing = true;
  Watchdog watchdog(executor(), [self] { self->abort(); });
  watchdog.arm(Clock::now() + limits.close_timeout);
  while (pumping && !failure) co_await queue_moved.async_wait(kAwait);
  if (!failure) {
    ws::close_reason why(ws::close_code::normal);
    // RFC 6455, section 5.5: a control frame carries 125 bytes, two of them the code.
    why.reason = reason.substr(0, 120);
    auto const [code] = co_await stream.async_close(why, kAwait);
    static_cast<void>(code);
  }
  watchdog.disarm();
  fail(make_error(ErrorKind::Canceled, "the connection was closed here"));
}

template <class Stream>
void Connection<Stream>::abort() {
  fail(make_error(ErrorKind::Canceled, "the connection was given up"));
}

template <class Stream>
class Handle final : public WebSocket {
 public:
  explicit Handle(std::shared_ptr<Connection<Stream>> connection) : connection_(std::move(connection)) {}
  ~Handle() override { connection_->abort(); }
  Handle(Handle const&) = delete;
  Handle& operator=(Handle const&) = delete;

  asio::awaitable<Result<Message>> receive() override { return connection_->receive(); }
  asio::awaitable<Result<void>> send(Message message) override {
    return connection_->send(std::move(message));
  }
  asio::awaitable<void> close(std::string reason) override { return connection_->close(std::move(reason)); }
  void abort() override { connection_->abort(); }
  [[nodiscard]] std::string const& peer() const override { return connection_->peer; }

 private:
  std::shared_ptr<Connection<Stream>> connection_;
};

template <class Stream>
asio::awaitable<Result<std::unique_ptr<WebSocket>>> accept_on(Stream stream, Request request,
                                                              WebSocketLimits limits) {
  auto connection = std::make_shared<Connection<Stream>>(std::move(stream), limits);
  connection->set_timeouts(kHandshakeTimeout);
  beast::http::request<beast::http::string_body> upgrade(beast::http::verb::get, request.target, 11);
  for (auto const& [name, value] : request.headers) upgrade.insert(name, value);
  auto const [code] = co_await connection->stream.async_accept(upgrade, kAwait);
  if (code) co_return make_error(ErrorKind::Protocol, "no WebSocket upgrade: " + code.message());
  connection->set_timeouts(limits.close_timeout);
  co_return std::unique_ptr<WebSocket>(std::make_unique<Handle<Stream>>(std::move(connection)));
}

template <class Stream>
asio::awaitable<Result<std::unique_ptr<WebSocket>>> connect_on(Stream stream, WebSocketConnect const& options,
                                                               SteadyTime deadline) {
  auto connection = std::make_shared<Connection<Stream>>(std::move(stream), options.limits);
  connection->set_timeouts(
      std::max(milliseconds{1}, std::chrono::duration_cast<milliseconds>(deadline - Clock::now())));
  connection->stream.set_option(ws::stream_base::decorator([&options](ws::request_type& request) {
    for (auto const& [name, value] : options.headers) request.insert(name, value);
  }));
  ws::response_type answer;
  auto const host = options.url.authority();
  auto const [code] = co_await connection->stream.async_handshake(answer, host, options.url.target, kAwait);
  if (code == ws::error::upgrade_declined) {
    Response refusal;
    refusal.status = static_cast<int>(answer.result_int());
    for (auto const& field : answer) {
      refusal.headers.add(std::string(field.name_string()), std::string(field.value()));
    }
    refusal.body = answer.body().substr(0, kMaxRefusal);
    co_return error_from_response(refusal);
  }
  if (code == beast::error::timeout)
    co_return make_error(ErrorKind::Timeout, "the WebSocket upgrade took too long");
  if (code) co_return make_error(ErrorKind::Unavailable, "the WebSocket upgrade failed: " + code.message());
  connection->stream.set_option(ws::stream_base::decorator([](ws::request_type&) {}));
  connection->set_timeouts(options.limits.close_timeout);
  co_return std::unique_ptr<WebSocket>(std::make_unique<Handle<Stream>>(std::move(connection)));
}

}  // namespace

asio::awaitable<Result<std::unique_ptr<WebSocket>>> accept_websocket(std::unique_ptr<Transport> transport,
                                                                     Request request,
                                                                     WebSocketLimits limits) {
  AnyStream stream = transport->release();
  transport.reset();
  if (auto* plain = std::get_if<tcp::socket>(&stream)) {
    co_return co_await accept_on(std::move(*plain), std::move(request), limits);
  }
  co_return co_await accept_on(std::move(std::get<TlsStream>(stream)), std::move(request), limits);
}

asio::awaitable<Result<std::unique_ptr<WebSocket>>> connect_websocket(asio::any_io_executor executor,
                                                                      WebSocketConnect options) {
  auto const deadline = Clock::now() + options.timeout;
  TlsClientOptions const tls_options = options.tls.value_or(TlsClientOptions{});
  std::shared_ptr<asio::ssl::context> context;
  if (options.url.secure()) {
    auto made = make_client_context(tls_options);
    if (!made) co_return made.error();
    context = *made;
  }
  auto transport = co_await dial(executor, options.url, context, tls_options, deadline);
  if (!transport) co_return transport.error();
  AnyStream stream = (*transport)->release();
  if (auto* plain = std::get_if<tcp::socket>(&stream)) {
    co_return co_await connect_on(std::move(*plain), options, deadline);
  }
  co_return co_await connect_on(std::move(std::get<TlsStream>(stream)), options, deadline);
}

}  // namespace ei::http
