#include "runtime/http/session.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <utility>

#include "runtime/http/text.hpp"
#include "runtime/http/websocket_accept.hpp"
#include "runtime/http/wire.hpp"
#include "runtime/log/log.hpp"

namespace ei::http {
namespace {

using Clock = std::chrono::steady_clock;

// One read: a header fits, a 100 kB picture takes a few.
constexpr std::size_t kReadSize = 32 * 1024;
// Pipelined bytes taken while a handler runs; beyond, the client's leaving is noticed only after the answer.
constexpr std::size_t kMaxPipelined = 64 * 1024;
// For a client to read a refusal and close: nginx allows 5 s of silence; shorter, as a drain waits for it
// too.
constexpr milliseconds kLingerTime{2'000};
// nginx's and its dashboards' word for "the client left first".
constexpr int kClientClosed = 499;

std::string now_http_date() {
  auto const now = std::chrono::system_clock::now().time_since_epoch();
  return format_http_date(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

std::string describe(std::exception_ptr exception) {
  try {
    std::rethrow_exception(exception);
  } catch (std::exception const& caught) {
    return caught.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

bool wants_websocket(Request const& request) {
  return request.method == "GET" && has_token(request.headers.get("Connection").value_or(""), "upgrade") &&
         has_token(request.headers.get("Upgrade").value_or(""), "websocket");
}

// A function that throws before its first suspension throws here, inside the coroutine that is watched for
// it.
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
struct Session::Exchange {
  explicit Exchange(asio::any_io_executor executor) : finished(std::move(executor), kNever) {}

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
  [[nodiscard]] SteadyTime deadline() const { return Clock::now() + session_.shared_->options.write_timeout; }

  Session& session_;
  bool head_only_;
  bool begun_ = false;
  int status_ = 500;
};

asio::awaitable<Result<void>> Session::Writer::begin(Response head) {
  begun_ = true;
  status_ = head.status;
  if (session_.shared_->draining || session_.http_1_0_) session_.keep_alive_ = false;
  ResponseHeadOptions options;
  options.framing = session_.http_1_0_ ? Framing::UntilClose : Framing::Chunked;
  options.keep_alive = session_.keep_alive_;
  options.date = now_http_date();
  std::string const text = response_head(head, options);
  co_return co_await session_.transport_->write(text, {}, deadline());
}

asio::awaitable<Result<void>> Session::Writer::write(std::string chunk) {
  if (chunk.empty() || head_only_) co_return Result<void>(boost::system::in_place_value);
  if (session_.http_1_0_) co_return co_await session_.transport_->write(chunk, {}, deadline());
  std::string const size_line = chunk_size_line(chunk.size());
  chunk += "\r\n";
  co_return co_await session_.transport_->write(size_line, chunk, deadline());
}

asio::awaitable<Result<void>> Session::Writer::finish() {
  if (head_only_ || session_.http_1_0_) co_return Result<void>(boost::system::in_place_value);
  co_return co_await session_.transport_->write("0\r\n\r\n", {}, deadline());
}

Session::Session(std::unique_ptr<Transport> transport, std::shared_ptr<ServerRoutes> shared)
    : transport_(std::move(transport)), shared_(std::move(shared)) {}

Session::~Session() = default;

bool Session::expecting() const {
  return idle() && transport_ && (!answered_ || !buffer_.empty() || !transport_->is_quiet());
}

void Session::abort() {
  state_ = State::Closed;
  // Held here: a handler that ends at once takes it away.
  auto const exchange = exchange_;
  if (exchange) exchange->cancel_handler();
  if (transport_) transport_->close();
}

asio::awaitable<void> Session::run(std::shared_ptr<Session> self) {
  auto& session = *self;
  auto const shaken =
      co_await session.transport_->handshake(true, Clock::now() + session.shared_->options.header_timeout);
  if (!shaken) co_return;
  for (;;) {
    Next const next = co_await session.serve_one();
    if (session.state_ == State::Closed || next == Next::Drop) break;
    if (next == Next::KeepAlive && !session.shared_->draining) {
      session.state_ = State::Idle;
      continue;
    }
    // Also after a regular last answer: the client may have sent more, and a reset would destroy the answer.
    co_await session.transport_->linger(Clock::now() + kLingerTime);
    break;
  }
  session.state_ = State::Closed;
  if (session.transport_) session.transport_->close();
}

// Appends what the client sent to the buffer. Unavailable at the stream's end.
asio::awaitable<Result<void>> Session::fill(SteadyTime deadline) {
  auto const old_size = buffer_.size();
  buffer_.resize(old_size + kReadSize);
  auto const target = asio::buffer(buffer_.data() + old_size, kReadSize);
  auto const got = co_await transport_->read_some(target, deadline);
  buffer_.resize(old_size + (got ? *got : 0));
  if (!got) co_return got.error();
  if (*got == 0) co_return make_error(ErrorKind::Unavailable, "the client closed");
  co_return Result<void>(boost::system::in_place_value);
}

// One request and its answer.
asio::awaitable<Session::Next> Session::serve_one() {
  method_.clear();
  pattern_.clear();
  keep_alive_ = false;
  http_1_0_ = false;
  if (buffer_.empty()) {
    auto const first = co_await fill(Clock::now() + shared_->options.idle_timeout);
    if (!first) co_return Next::Drop;
  }
  if (state_ == State::Closed) co_return Next::Drop;
  state_ = State::Reading;
  started_ = Clock::now();
  RequestParser parser(shared_->options.max_header);
  Next const next = co_await read_header(parser);
  if (next != Next::KeepAlive) co_return next;
  co_return co_await dispatch(parser);
}

asio::awaitable<Session::Next> Session::read_header(RequestParser& parser) {
  auto const deadline = started_ + shared_->options.header_timeout;
  for (;;) {
    auto const used = parser.feed(buffer_);
    if (!used) co_return co_await refuse(used.error());
    buffer_.erase(0, *used);
    if (parser.header_done()) co_return Next::KeepAlive;
    auto const got = co_await fill(deadline);
    if (got) continue;
    if (got.error().kind != ErrorKind::Timeout) co_return Next::Drop;
    Error late = make_error(ErrorKind::Timeout, "the request's header did not arrive in time");
    late.http_status = 408;
    co_return co_await refuse(std::move(late));
  }
}

std::size_t Session::body_limit(RouteMatch const& match) const {
  if (!match.index) return 0;
  return shared_->routes[*match.index].max_body.value_or(shared_->options.max_body);
}

asio::awaitable<Result<void>> Session::say_continue(RequestParser& parser) {
  auto const expect = parser.request().headers.get("Expect");
  if (!expect || parser.http_1_0()) co_return Result<void>(boost::system::in_place_value);
  if (!same_without_case(*expect, "100-continue")) {
    Error unknown = make_error(ErrorKind::Protocol, "the only expectation known here is 100-continue");
    unknown.http_status = 417;
    co_return unknown;
  }
  // A client that has begun to send needs no leave.
  if (!parser.expects_body() || !buffer_.empty()) co_return Result<void>(boost::system::in_place_value);
  auto const deadline = Clock::now() + shared_->options.write_timeout;
  co_return co_await transport_->write("HTTP/1.1 100 Continue\r\n\r\n", {}, deadline);
}

asio::awaitable<Session::Next> Session::read_body(RequestParser& parser, std::size_t max_body) {
  auto const deadline = Clock::now() + shared_->options.body_timeout;
  if (auto allowed = parser.allow_body(max_body); !allowed) co_return co_await refuse(allowed.error());
  auto const continued = co_await say_continue(parser);
  if (!continued && continued.error().http_status == 0) co_return Next::Drop;
  if (!continued) co_return co_await refuse(continued.error());
  while (!parser.done()) {
    auto const used = parser.feed(buffer_);
    if (!used) co_return co_await refuse(used.error());
    buffer_.erase(0, *used);
    if (parser.done()) break;
    if (*used > 0 && !buffer_.empty()) continue;
    auto const got = co_await fill(deadline);
    if (got) continue;
    if (got.error().kind != ErrorKind::Timeout) co_return Next::Drop;
    Error late = make_error(ErrorKind::Timeout, "the request's body did not arrive in time");
    late.http_status = 408;
    co_return co_await refuse(std::move(late));
  }
  co_return Next::KeepAlive;
}

// Chooses the route once the header is known, so that a body nobody wants is never read.
asio::awaitable<Session::Next> Session::dispatch(RequestParser& parser) {
  auto& request = parser.request();
  method_ = request.method;
  keep_alive_ = parser.keep_alive();
  http_1_0_ = parser.http_1_0();
  if (wants_websocket(request)) {
    auto const match = match_route(shared_->websocket_patterns, "GET", request.path);
    if (match.index) co_return co_await upgrade(parser, *match.index);
  }
  auto match = match_route(shared_->patterns, request.method, request.path);
  if (!match.index) {
    bool const known = !match.allow.empty();
    Response missing = known ? problem(405, "Method not allowed", request.path + " takes " + match.allow)
                             : problem(404, "Not found", "nothing is at " + request.path);
    if (known) missing.headers.set("Allow", match.allow);
    // The body is not read, so the next request's start cannot be known.
    Next const next = parser.expects_body() ? Next::Linger : Next::KeepAlive;
    co_return co_await answer(std::move(missing), next);
  }
  Route const& route = shared_->routes[*match.index];
  pattern_ = route.pattern;
  Next const next = co_await read_body(parser, body_limit(match));
  if (next != Next::KeepAlive) co_return next;
  request.params = std::move(match.params);
  request.peer = transport_->peer();
  co_return co_await run_handler(route, std::move(request));
}

// Runs the handler in a coroutine of its own, which can be cancelled, while this one watches the client.
asio::awaitable<Session::Next> Session::run_handler(Route const& route, Request request) {
  state_ = State::Running;
  auto const executor = transport_->socket().get_executor();
  auto exchange = std::make_shared<Exchange>(executor);
  exchange_ = exchange;
  Writer writer(*this, request.method == "HEAD");
  auto slot = exchange->cancel.slot();
  if (route.stream) {
    auto done = [exchange](std::exception_ptr exception) {
      exchange->exception = exception;
      exchange->done = true;
      exchange->finished.cancel();
    };
    asio::co_spawn(executor, invoke_stream(route.stream, std::move(request), writer),
                   asio::bind_cancellation_slot(slot, std::move(done)));
  } else {
    auto done = [exchange](std::exception_ptr exception, Response response) {
      exchange->exception = exception;
      exchange->response = std::move(response);
      exchange->done = true;
      exchange->finished.cancel();
    };
    asio::co_spawn(executor, invoke(route.handler, std::move(request)),
                   asio::bind_cancellation_slot(slot, std::move(done)));
  }
  // The handler goes first: one that answers at once does so even to a client that has shut its side down.
  co_await asio::post(executor, asio::use_awaitable);
  co_await watch_client(exchange);
  while (!exchange->done) co_await exchange->finished.async_wait(asio::as_tuple(asio::use_awaitable));
  exchange_.reset();

  if (exchange->canceled) {
    completed(kClientClosed);
    co_return Next::Drop;
  }
  if (exchange->exception) {
    log::error("handler_failed",
               {{"method", method_}, {"pattern", pattern_}, {"what", describe(exchange->exception)}});
    if (writer.begun()) {
      completed(writer.status());
      co_return Next::Drop;
    }
    co_return co_await answer(problem(500, "Internal error", "the request could not be served"),
                              Next::KeepAlive);
  }
  if (!route.stream) co_return co_await answer(std::move(exchange->response), Next::KeepAlive);
  if (!writer.begun()) {
    co_return co_await answer(problem(500, "Internal error", "the stream never began"), Next::KeepAlive);
  }
  auto const finished = co_await writer.finish();
  completed(finished ? writer.status() : kClientClosed);
  if (!finished) co_return Next::Drop;
  co_return keep_alive_ ? Next::KeepAlive : Next::Linger;
}

// Reads ahead while the handler runs: an end or an error means that nobody waits for the answer any more.
asio::awaitable<void> Session::watch_client(std::shared_ptr<Exchange> exchange) {
  if (exchange->done) co_return;
  // The handler's end wakes `finished`, which ends the read; a read that ended by itself just before is left
  // alone.
  exchange->finished.async_wait([this, exchange](boost::system::error_code const&) {
    if (exchange->watching) transport_->cancel_read();
  });
  while (!exchange->done && buffer_.size() < kMaxPipelined) {
    exchange->watching = true;
    auto const got = co_await fill(kNever);
    exchange->watching = false;
    if (got || exchange->done) continue;
    exchange->cancel_handler();
    co_return;
  }
}

// Sends an answer; `next` is what follows where both sides keep the connection.
asio::awaitable<Session::Next> Session::answer(Response response, Next next) {
  if (shared_->draining) keep_alive_ = false;
  if (has_token(response.headers.get("Connection").value_or(""), "close")) keep_alive_ = false;
  if (next != Next::KeepAlive) keep_alive_ = false;
  ResponseHeadOptions options;
  options.keep_alive = keep_alive_;
  options.body_size = response.body.size();
  options.date = now_http_date();
  std::string const head = response_head(response, options);
  bool const with_body = method_ != "HEAD" && !is_bodiless(response.status);
  std::string_view const body = with_body ? std::string_view(response.body) : std::string_view{};
  auto const written = co_await transport_->write(head, body, Clock::now() + shared_->options.write_timeout);
  completed(written ? response.status : kClientClosed);
  if (!written) co_return Next::Drop;
  co_return keep_alive_ ? Next::KeepAlive : Next::Linger;
}

// Answers a request that could not be read, or not be taken; what follows it on the wire is unknown.
asio::awaitable<Session::Next> Session::refuse(Error fault) {
  int const status = fault.http_status != 0 ? fault.http_status : 400;
  Response response = problem(status, std::string(reason_phrase(status)), fault.message);
  co_return co_await answer(std::move(response), Next::Linger);
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
  state_ = State::Running;
  auto const executor = transport_->socket().get_executor();
  Request const copy = request;
  auto accepted = co_await accept_websocket(std::move(transport_), copy, route.limits);
  completed(accepted ? 101 : 400);
  if (!accepted) co_return Next::Drop;
  if (state_ == State::Closed) co_return Next::Drop;
  auto exchange = std::make_shared<Exchange>(executor);
  exchange_ = exchange;
  auto done = [exchange](std::exception_ptr exception) {
    exchange->exception = exception;
    exchange->done = true;
    exchange->finished.cancel();
  };
  asio::co_spawn(executor, invoke_websocket(route, std::move(request), std::move(*accepted)),
                 asio::bind_cancellation_slot(exchange->cancel.slot(), std::move(done)));
  while (!exchange->done) co_await exchange->finished.async_wait(asio::as_tuple(asio::use_awaitable));
  exchange_.reset();
  if (exchange->exception && !exchange->canceled) {
    log::error("websocket_handler_failed", {{"pattern", pattern_}, {"what", describe(exchange->exception)}});
  }
  co_return Next::Drop;
}

void Session::completed(int status) {
  answered_ = true;
  if (!shared_->options.on_completed) return;
  Completed event;
  event.method = method_;
  event.pattern = pattern_;
  event.status = status;
  event.elapsed = Clock::now() - started_;
  shared_->options.on_completed(event);
}

}  // namespace ei::http
