// The half of a session that runs handlers: in coroutines of their own, cancelled when their client leaves.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "runtime/http/request_tag.hpp"
#include "runtime/http/session.hpp"
#include "runtime/http/websocket_accept.hpp"
#include "runtime/log/log.hpp"

namespace ei::http {
namespace {

// Pipelined bytes taken while a handler runs; beyond, the client's leaving is noticed only after the answer.
constexpr std::size_t kMaxPipelined = 16 * 1024;

std::string describe(std::exception_ptr exception) {
  try {
    std::rethrow_exception(exception);
  } catch (std::exception const& caught) {
    return caught.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

// A function that throws before its first suspension throws here,
// inside the coroutine that is watched for it.
asio::awaitable<Response> invoke(Handler const& handler, Request request) {
  co_return co_await handler(std::move(request));
}

asio::awaitable<void> invoke_stream(StreamHandler const& handler, Request request, ResponseWriter& writer) {
  co_await handler(std::move(request), writer);
}

asio::awaitable<void> invoke_websocket(WebSocketRoute const& route, Request request,
                                       std::unique_ptr<WebSocket> websocket) {
  co_await route.handler(std::move(request), std::move(websocket));
}

}  // namespace

// Shared by the session and the handler's completion, whichever ends last.
struct Session::Handling {
  explicit Handling(asio::any_io_executor executor) : finished(std::move(executor), kNever) {}

  // What a coroutine's end calls.
  void finish(std::exception_ptr thrown) {
    exception = thrown;
    done = true;
    finished.cancel();
  }
  asio::awaitable<void> wait() {
    while (!done) co_await finished.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  void cancel_handler() {
    canceled = true;
    cancel.emit(asio::cancellation_type::terminal);
  }

  asio::cancellation_signal cancel;
  asio::steady_timer finished;  // cancelled when the handler has ended
  bool done = false;
  bool watching = false;  // the session reads ahead; only then may the handler's end cancel the read
  bool canceled = false;  // the client left, or a drain's grace ended
  std::exception_ptr exception;
  Response response;
};

class Session::Writer final : public ResponseWriter {
 public:
  Writer(Session& session, bool head_only) : session_(session), head_only_(head_only) {}

  asio::awaitable<Result<void>> begin(Response head) override;
  asio::awaitable<Result<void>> write(std::string chunk) override;
  asio::awaitable<Result<void>> finish();
  [[nodiscard]] bool begun() const { return begun_; }
  [[nodiscard]] int status() const { return status_; }

 private:
  asio::awaitable<Result<void>> send(std::string_view first, std::string_view second);

  Session& session_;
  bool head_only_;
  bool begun_ = false;
  int status_ = 500;
};

// Between two pieces it is the handler that is waited for, so the client is not slow.
asio::awaitable<Result<void>> Session::Writer::send(std::string_view first, std::string_view second) {
  auto const sent = co_await session_.send(first, second);
  session_.enter(State::Running);
  co_return sent;
}

asio::awaitable<Result<void>> Session::Writer::begin(Response head) {
  begun_ = true;
  status_ = head.status;
  if (session_.shared_->draining || session_.http_1_0_) session_.keep_alive_ = false;
  if (session_.shared_->options.request_ids) head.headers.set(std::string(kRequestId), session_.tag_.id);
  ResponseHeadOptions options = session_.head_options();
  options.framing = session_.http_1_0_ ? Framing::UntilClose : Framing::Chunked;
  std::string const text = response_head(head, options);
  co_return co_await send(text, {});
}

asio::awaitable<Result<void>> Session::Writer::write(std::string chunk) {
  if (chunk.empty() || head_only_) co_return Result<void>(boost::system::in_place_value);
  if (session_.http_1_0_) co_return co_await send(chunk, {});
  std::string const size_line = chunk_size_line(chunk.size());
  chunk += "\r\n";
  co_return co_await send(size_line, chunk);
}

asio::awaitable<Result<void>> Session::Writer::finish() {
  if (head_only_ || session_.http_1_0_) co_return Result<void>(boost::system::in_place_value);
  co_return co_await send("0\r\n\r\n", {});
}

void Session::abort() {
  bool const untaken = holds_answer();
  state_ = State::Closed;
  claim_.reset();
  answer_claim_.reset();
  // Held here: a handler that ends at once takes it away.
  auto const handling = handling_;
  if (handling) handling->cancel_handler();
  if (!transport_) return;
  // Closed in order, the system would keep for minutes what nobody takes.
  if (untaken) transport_->reset();
  transport_->close();
}

// Runs the handler in a coroutine of its own, which can be cancelled, while this one watches the client.
asio::awaitable<Session::Next> Session::run_handler(Route const& route, Request request) {
  enter(State::Running);
  auto const executor = transport_->socket().get_executor();
  auto handling = std::make_shared<Handling>(executor);
  handling_ = handling;
  Writer writer(*this, request.method == "HEAD");
  auto slot = handling->cancel.slot();
  if (route.stream) {
    auto done = [handling](std::exception_ptr thrown) { handling->finish(thrown); };
    asio::co_spawn(executor, invoke_stream(route.stream, std::move(request), writer),
                   asio::bind_cancellation_slot(slot, std::move(done)));
  } else {
    auto done = [handling](std::exception_ptr thrown, Response response) {
      handling->response = std::move(response);
      handling->finish(thrown);
    };
    asio::co_spawn(executor, invoke(route.handler, std::move(request)),
                   asio::bind_cancellation_slot(slot, std::move(done)));
  }
  // The handler goes first: one that answers at once does so even to a client that has shut its side down.
  co_await asio::post(executor, asio::use_awaitable);
  co_await watch_client(handling);
  co_await handling->wait();
  handling_.reset();
  co_return co_await conclude(route, *handling, writer);
}

// What follows from a handler's end.
asio::awaitable<Session::Next> Session::conclude(Route const& route, Handling& handling, Writer& writer) {
  if (handling.canceled) {
    completed(kClientClosed);
    co_return Next::Drop;
  }
  if (handling.exception) {
    log::error("handler_failed", {{"method", method_},
                                  {"pattern", pattern_},
                                  {"request_id", tag_.id},
                                  {"what", describe(handling.exception)}});
    if (writer.begun()) {
      completed(writer.status());
      co_return Next::Drop;
    }
    co_return co_await answer(problem(500, "Internal error", "the request could not be served"),
                              Next::KeepAlive);
  }
  if (!route.stream) co_return co_await answer(std::move(handling.response), Next::KeepAlive);
  if (!writer.begun()) {
    co_return co_await answer(problem(500, "Internal error", "the stream never began"), Next::KeepAlive);
  }
  auto const finished = co_await writer.finish();
  completed(finished ? writer.status() : kClientClosed);
  if (!finished) co_return Next::Drop;
  co_return keep_alive_ ? Next::KeepAlive : Next::Linger;
}

// Reads ahead while the handler runs: an end or an error means that nobody waits for the answer any more.
asio::awaitable<void> Session::watch_client(std::shared_ptr<Handling> handling) {
  if (handling->done) co_return;
  // The handler's end wakes `finished`, which ends the read; a read that ended by
  // itself just before is left alone.
  handling->finished.async_wait([this, handling](boost::system::error_code const&) {
    if (handling->watching) transport_->cancel_read();
  });
  while (!handling->done && buffer_.size() < kMaxPipelined) {
    handling->watching = true;
    auto const got = co_await fill(kNever, kMaxPipelined - buffer_.size());
    handling->watching = false;
    if (got || handling->done) continue;
    handling->cancel_handler();
    co_return;
  }
}

asio::awaitable<Session::Next> Session::upgrade(RequestParser& parser, std::size_t index) {
  WebSocketRoute const& route = shared_->websockets[index];
  pattern_ = route.pattern;
  auto& request = parser.request();
  request.peer = transport_->peer();
  request.params = match_route(shared_->websocket_patterns, "GET", request.path).params;
  if (parser.expects_body() || !buffer_.empty()) {
    // RFC 6455, section 4.1: the client waits for the 101 before it sends anything.
    co_return co_await answer(problem(400, "Bad Request", "bytes after an upgrade request"), Next::Linger);
  }
  if (shared_->draining) {
    co_return co_await answer(problem(503, "Service Unavailable", "shutting down"), Next::Linger);
  }
  if (route.authorize) {
    auto refused = route.authorize(request);
    if (refused) co_return co_await answer(std::move(*refused), Next::KeepAlive);
  }
  enter(State::Running);
  auto const executor = transport_->socket().get_executor();
  Request const copy = request;
  auto accepted = co_await accept_websocket(std::move(transport_), copy, route.limits);
  completed(accepted ? 101 : 400);
  if (!accepted) co_return Next::Drop;
  if (state_ == State::Closed) co_return Next::Drop;
  auto handling = std::make_shared<Handling>(executor);
  handling_ = handling;
  auto done = [handling](std::exception_ptr thrown) { handling->finish(thrown); };
  asio::co_spawn(executor, invoke_websocket(route, std::move(request), std::move(*accepted)),
                 asio::bind_cancellation_slot(handling->cancel.slot(), std::move(done)));
  co_await handling->wait();
  handling_.reset();
  if (handling->exception && !handling->canceled) {
    log::error("websocket_handler_failed", {{"pattern", pattern_}, {"what", describe(handling->exception)}});
  }
  co_return Next::Drop;
}

}  // namespace ei::http
