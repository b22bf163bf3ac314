#include "runtime/http/websocket.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <numeric>

#include "runtime/async/event.hpp"
#include "runtime/http/dial.hpp"
#include "runtime/http/websocket_accept.hpp"
#include "runtime/http/websocket_frames.hpp"

namespace ei::http {
namespace {

using Clock = std::chrono::steady_clock;

struct Outgoing {
  explicit Outgoing(asio::any_io_executor executor) : left(std::move(executor)) {}
  WebSocket::Message message;
  Event left;  // or never will
  std::optional<Error> failure;
};

// Everything that pending operations use; they hold it, so the WebSocket itself may go at any time.
struct Connection : std::enable_shared_from_this<Connection> {
  Connection(AnyStream stream, WebSocketLimits const& given)
      : limits(given), frames(std::move(stream), given), emptied(frames.executor()) {}

  asio::awaitable<Result<WebSocket::Message>> receive();
  asio::awaitable<Result<void>> send(WebSocket::Message message);
  asio::awaitable<void> pump();
  asio::awaitable<void> close(std::string reason);
  void fail(Error const& error);
  void abort();

  WebSocketLimits limits;
  WebSocketFrames frames;
  Event emptied;  // the queue
  std::deque<std::shared_ptr<Outgoing>> queue;
  std::size_t queued_bytes = 0;
  bool pumping = false;
  bool closing = false;
  std::optional<Error> failure;
};

asio::awaitable<Result<WebSocket::Message>> Connection::receive() {
  auto const self = shared_from_this();
  if (failure) co_return *failure;
  auto message = co_await frames.read();
  if (!message) fail(message.error());
  co_return message;
}

asio::awaitable<Result<void>> Connection::send(WebSocket::Message message) {
  auto const self = shared_from_this();
  if (failure) co_return *failure;
  if (closing) co_return make_error(ErrorKind::Canceled, "the connection is being closed");
  if (queued_bytes + message.size() > limits.max_queued) {
    co_return make_error(ErrorKind::TooMany, "too many bytes wait to be sent");
  }
  auto const item = std::make_shared<Outgoing>(frames.executor());
  item->message = std::move(message);
  queued_bytes += item->message.size();
  queue.push_back(item);
  if (!pumping) {
    pumping = true;
    asio::co_spawn(frames.executor(), self->pump(), asio::detached);
  }
  if (!co_await item->left.wait_or_cancel())
    co_return make_error(ErrorKind::Canceled, "the sender was cancelled");
  if (item->failure) co_return *item->failure;
  co_return Result<void>(boost::system::in_place_value);
}

// The one writer: as long as the queue lasts.
asio::awaitable<void> Connection::pump() {
  auto const self = shared_from_this();
  while (!queue.empty() && !failure) {
    auto const item = queue.front();
    auto const written = co_await frames.write(item->message);
    if (!written) {
      fail(written.error());
      break;
    }
    queued_bytes -= item->message.size();
    queue.pop_front();
    item->left.set();
  }
  pumping = false;
  emptied.notify();
}

// The first failure is every later call's answer.
void Connection::fail(Error const& error) {
  if (!failure) failure = error;
  for (auto const& item : queue) {
    item->failure = failure;
    item->left.set();
  }
  queue.clear();
  queued_bytes = 0;
  emptied.notify();
  frames.drop();
}

asio::awaitable<void> Connection::close(std::string reason) {
  auto const self = shared_from_this();
  if (failure || closing) co_return;
  closing = true;
  Watchdog watchdog(frames.executor(), [self] { self->abort(); });
  watchdog.arm(Clock::now() + limits.close_timeout);
  (void)co_await until(emptied, [this] { return !pumping || failure; });
  if (!failure) co_await frames.close(reason);
  watchdog.disarm();
  fail(make_error(ErrorKind::Canceled, "the connection was closed here"));
}

void Connection::abort() {
  fail(make_error(ErrorKind::Canceled, "the connection was given up"));
}

class Handle final : public WebSocket {
 public:
  explicit Handle(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~Handle() override { connection_->abort(); }
  Handle(Handle const&) = delete;
  Handle& operator=(Handle const&) = delete;

  asio::awaitable<Result<Message>> receive() override { return connection_->receive(); }
  asio::awaitable<Result<void>> send(Message message) override {
    return connection_->send(std::move(message));
  }
  asio::awaitable<void> close(std::string reason) override { return connection_->close(std::move(reason)); }
  void abort() override { connection_->abort(); }
  [[nodiscard]] std::string const& peer() const override { return connection_->frames.peer(); }

 private:
  std::shared_ptr<Connection> connection_;
};

}  // namespace

std::size_t WebSocket::Message::size() const {
  return std::accumulate(more.begin(), more.end(), data.size(),
                         [](std::size_t sum, std::string_view part) { return sum + part.size(); });
}

asio::awaitable<Result<std::unique_ptr<WebSocket>>> accept_websocket(std::unique_ptr<Transport> transport,
                                                                     Request request,
                                                                     WebSocketLimits limits) {
  auto connection = std::make_shared<Connection>(transport->release(), limits);
  transport.reset();
  auto const accepted = co_await connection->frames.accept(std::move(request));
  if (!accepted) co_return accepted.error();
  co_return std::unique_ptr<WebSocket>(std::make_unique<Handle>(std::move(connection)));
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
  auto connection = std::make_shared<Connection>((*transport)->release(), options.limits);
  auto const agreed = co_await connection->frames.handshake(options, deadline);
  if (!agreed) co_return agreed.error();
  co_return std::unique_ptr<WebSocket>(std::make_unique<Handle>(std::move(connection)));
}

}  // namespace ei::http
