#include "runtime/http/session.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "runtime/http/head.hpp"
#include "runtime/http/request_tag.hpp"
#include "runtime/http/text.hpp"
#include "runtime/http/turn_away.hpp"
#include "runtime/http/wire.hpp"
#include "runtime/log/log.hpp"

namespace ei::http {
namespace {

using Clock = std::chrono::steady_clock;

// For a client to read a refusal and close: nginx allows 5 s of silence; shorter,
// as a drain waits for it too.
constexpr milliseconds kLingerTime{2'000};
// A picture over a usual line is read in less.
constexpr milliseconds kBodyRetry{1'000};

bool wants_websocket(Request const& request) {
  return request.method == "GET" && has_token(request.headers.get("Connection").value_or(""), "upgrade") &&
         has_token(request.headers.get("Upgrade").value_or(""), "websocket");
}

Error late(std::string_view part) {
  Error error =
      make_error(ErrorKind::Timeout, "the request's " + std::string(part) + " did not arrive in time");
  error.http_status = 408;
  return error;
}

}  // namespace

Session::Session(std::unique_ptr<Transport> transport, std::shared_ptr<ServerRoutes> shared,
                 std::string address)
    : transport_(std::move(transport)), shared_(std::move(shared)), address_(std::move(address)) {}

Session::~Session() = default;

bool Session::expecting() const {
  return idle() && transport_ && (!answered_ || !buffer_.empty() || !transport_->is_quiet());
}

asio::awaitable<void> Session::run(std::shared_ptr<Session> self) {
  auto& session = *self;
  auto const& options = session.shared_->options;
  auto const failed = co_await session.transport_->accept_handshake(options.handshakes, session.address_,
                                                                    Clock::now() + options.header_timeout);
  if (failed) {
    co_await session.end_handshake(*failed);
    co_return;
  }
  for (;;) {
    Next const next = co_await session.serve_one();
    if (session.state_ == State::Closed || next == Next::Drop) break;
    if (next == Next::KeepAlive && !session.shared_->draining) {
      session.enter(State::Idle);
      continue;
    }
    session.enter(State::Answering);
    // Also after a regular last answer: the client may have sent more, and a reset would destroy the answer.
    co_await session.transport_->linger(Clock::now() + kLingerTime);
    break;
  }
  session.state_ = State::Closed;
  if (session.transport_) session.transport_->close();
}

// Whoever speaks HTTP to a port that wants TLS has the wrong scheme in a URL, and hears so in HTTP.
asio::awaitable<void> Session::end_handshake(Transport::FailedHandshake const& failed) {
  if (state_ == State::Closed) co_return;  // given up by this side
  auto const& options = shared_->options;
  if (options.on_handshake_failed) options.on_handshake_failed(failed.fault);
  // Port scans and load balancers' looks end so all day long.
  auto const held_back =
      failed.fault == HandshakeFault::Closed ? std::nullopt : shared_->handshake_lines.admit(Clock::now());
  if (held_back) {
    log::warn("tls_handshake_failed", {{"peer", transport_->peer()},
                                       {"reason", to_string(failed.fault)},
                                       {"detail", failed.detail},
                                       {"held_back", *held_back}});
  }
  if (failed.fault != HandshakeFault::PlainHttp) co_return;
  Response refusal = problem(400, "Bad Request", "this port speaks HTTPS: the URL must begin with https");
  add_headers(refusal.headers);
  ResponseHeadOptions head;
  head.keep_alive = false;
  head.body_size = refusal.body.size();
  transport_->say(response_head(refusal, head) + refusal.body);
  started_ = Clock::now();
  completed(refusal.status);
  enter(State::Answering);
  co_await transport_->linger(Clock::now() + kLingerTime);
}

void Session::enter(State state) {
  if (state_ == State::Closed) return;
  state_ = state;
  since_ = Clock::now();
  moved_ = 0;
}

Standing Session::standing() const {
  Standing out;
  out.since = since_;
  out.bytes = moved_;
  if (claim_) out.claimed = claim_->bytes();
  if (state_ == State::Idle) out.phase = answered_ ? Standing::Phase::Idle : Standing::Phase::Fresh;
  if (state_ == State::Reading) out.phase = Standing::Phase::Reading;
  if (state_ == State::Answering) out.phase = Standing::Phase::Answering;
  if (holds_answer()) out.bytes = taken();
  return out;
}

void Session::give_way() {
  if (state_ == State::Reading) {
    Response late = problem(408, "Request Timeout", "others needed this slow connection's place");
    add_headers(late.headers);
    say_at_once(*transport_, late);
    completed(408);
  }
  abort();
}

// Appends what the client sent to the buffer. Unavailable at the stream's end.
asio::awaitable<Result<void>> Session::fill(SteadyTime deadline, std::size_t most) {
  if (buffer_.empty()) std::string().swap(buffer_);  // a connection that waits holds no memory for it
  auto const got = co_await transport_->read_into(buffer_, most, deadline);
  if (!got) co_return got.error();
  moved_ += *got;
  if (*got == 0) co_return make_error(ErrorKind::Unavailable, "the client closed");
  co_return Result<void>(boost::system::in_place_value);
}

// The same for a body; where its length is announced, straight into its place. Asks for more and more while
// all that was asked for is there, so that a slow client's few bytes cost little.
asio::awaitable<Result<void>> Session::fill_body(RequestParser& parser, BodyReads& reads) {
  if (parser.body_left() == 0) co_return co_await fill(body_deadline());
  auto const most = std::min(parser.body_left(), reads.most);
  auto const got = co_await transport_->read_straight_into(parser.body(), most, body_deadline(), reads.more);
  if (!got) co_return got.error();
  moved_ += *got;
  if (*got == 0) co_return make_error(ErrorKind::Unavailable, "the client closed");
  reads.more = *got == most;
  reads.most = reads.more ? kBodyReadSize : kReadSize;
  parser.body_grew(*got);
  co_return Result<void>(boost::system::in_place_value);
}

// One request and its answer.
asio::awaitable<Session::Next> Session::serve_one() {
  method_.clear();
  pattern_.clear();
  origin_.clear();
  tag_ = {};
  keep_alive_ = false;
  http_1_0_ = false;
  RequestParser parser(shared_->options.max_header);
  Next next = co_await await_request(parser);
  if (next == Next::KeepAlive) next = co_await read_header(parser);
  if (next != Next::KeepAlive) co_return next;
  co_return co_await dispatch(parser);
}

// Empty lines before a request do not begin it: the connection stays idle.
asio::awaitable<Session::Next> Session::await_request(RequestParser& parser) {
  auto const deadline = Clock::now() + shared_->options.idle_timeout;
  started_ = Clock::now();
  for (;;) {
    auto const used = parser.feed(buffer_);
    if (!used) co_return co_await refuse(used.error());
    buffer_.erase(0, *used);
    if (parser.begun()) break;
    auto const got = co_await fill(deadline);
    if (!got || state_ == State::Closed) co_return Next::Drop;
    started_ = Clock::now();
  }
  enter(State::Reading);
  moved_ = buffer_.size() + 1;
  co_return Next::KeepAlive;
}

asio::awaitable<Session::Next> Session::read_header(RequestParser& parser) {
  auto const deadline = started_ + shared_->options.header_timeout;
  while (!parser.header_done()) {
    auto const got = co_await fill(deadline);
    if (!got && got.error().kind != ErrorKind::Timeout) co_return Next::Drop;
    if (!got) {
      Error const error = late("header");
      co_return co_await refuse(error);
    }
    auto const used = parser.feed(buffer_);
    if (!used) co_return co_await refuse(used.error());
    buffer_.erase(0, *used);
  }
  if (shared_->options.request_ids) tag_ = read_tag(parser.request().headers);
  if (shared_->options.on_tag) shared_->options.on_tag(tag_);
  co_return Next::KeepAlive;
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

// Makes the claim on the budget as large as that, at a hopeless body's cost where need be. Errors: 413, 429.
Result<void> Session::claim_body(std::size_t bytes) {
  auto const& budget = *shared_->bodies;
  if (!claim_) return make_error(ErrorKind::Canceled, "the connection was dropped");
  while (!claim_->raise_to(bytes)) {
    if (bytes > budget.limit()) return http_fault(413, "the body is larger than all bodies together may be");
    if (shared_->end_hopeless_body(*this)) continue;
    Error full = http_fault(429, "other requests' bodies take all the room that there is");
    full.retry_after = kBodyRetry;
    return full;
  }
  return boost::system::in_place_value;
}

// For the next bytes to come: in all, and at the least rate.
SteadyTime Session::body_deadline() const {
  auto const& options = shared_->options;
  auto const total = since_ + options.body_timeout;
  if (options.min_rate == 0) return total;
  milliseconds const earned(moved_ * 1000 / options.min_rate);
  return std::min(total, since_ + options.min_rate_grace + earned);
}

asio::awaitable<Session::Next> Session::read_body(RequestParser& parser, std::size_t max_body) {
  enter(State::Reading);
  claim_ = std::make_shared<BodyBudget::Claim>(shared_->bodies);
  auto allowed = parser.allow_body(max_body);
  if (allowed) allowed = claim_body(parser.body_memory(buffer_.size()));
  if (!allowed) co_return co_await refuse(allowed.error());
  auto const continued = co_await say_continue(parser);
  if (!continued && continued.error().http_status == 0) co_return Next::Drop;
  if (!continued) co_return co_await refuse(continued.error());
  BodyReads reads;
  reads.more = buffer_.size() > kReadSize / 2;  // most of a read: the client sends as fast as it is read
  if (reads.more) reads.most = kBodyReadSize;
  for (;;) {
    if (auto claimed = claim_body(parser.body_memory(buffer_.size())); !claimed)
      co_return co_await refuse(claimed.error());
    auto const used = parser.feed(buffer_);
    if (!used) co_return co_await refuse(used.error());
    buffer_.erase(0, *used);
    if (parser.done()) break;
    auto const got = co_await fill_body(parser, reads);
    if (got) continue;
    if (got.error().kind != ErrorKind::Timeout) co_return Next::Drop;
    Error const error = late("body");
    co_return co_await refuse(error);
  }
  parser.request().body_claim = std::move(claim_);
  co_return Next::KeepAlive;
}

// Chooses the route once the header is known, so that a body nobody wants is never read.
asio::awaitable<Session::Next> Session::dispatch(RequestParser& parser) {
  auto& request = parser.request();
  method_ = request.method;
  origin_ = request.headers.get("Origin").value_or("");
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
  request.tag = tag_;
  co_return co_await run_handler(route, std::move(request));
}

ResponseHeadOptions Session::head_options() const {
  ResponseHeadOptions options;
  options.keep_alive = keep_alive_;
  auto const now = std::chrono::system_clock::now().time_since_epoch();
  options.date = format_http_date(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  return options;
}

// Sends an answer; `next` is what follows where both sides keep the connection.
asio::awaitable<Session::Next> Session::answer(Response response, Next next) {
  if (shared_->draining) keep_alive_ = false;
  if (has_token(response.headers.get("Connection").value_or(""), "close")) keep_alive_ = false;
  if (next != Next::KeepAlive) keep_alive_ = false;
  add_headers(response.headers);
  ResponseHeadOptions options = head_options();
  options.body_size = response.body.size();
  std::string const head = response_head(response, options);
  bool const with_body = method_ != "HEAD" && !is_bodiless(response.status);
  std::string_view const body = with_body ? std::string_view(response.body) : std::string_view{};
  auto const written = co_await send(head, body);
  completed(written ? response.status : kClientClosed);
  if (!written) co_return Next::Drop;
  co_return keep_alive_ ? Next::KeepAlive : Next::Linger;
}

// Where the request could not be read as far as its id, it gets one.
void Session::add_headers(Headers& headers) {
  auto const& options = shared_->options;
  if (options.request_ids) {
    if (tag_.id.empty()) tag_.id = new_request_id();
    headers.set(std::string(kRequestId), tag_.id);
  }
  if (options.add_headers) options.add_headers(origin_, headers);
}

// Answers a request that could not be read, or not be taken; what follows it on the wire is unknown.
asio::awaitable<Session::Next> Session::refuse(Error fault) {
  int const status = fault.http_status != 0 ? fault.http_status : 400;
  Response response = problem(status, std::string(reason_phrase(status)), fault.message);
  if (fault.retry_after) {
    auto const seconds = std::chrono::ceil<std::chrono::seconds>(*fault.retry_after);
    response.headers.set("Retry-After", std::to_string(seconds.count()));
  }
  claim_.reset();
  co_return co_await answer(std::move(response), Next::Linger);
}

void Session::completed(int status) {
  answered_ = true;
  if (!shared_->options.on_completed) return;
  Completed event;
  event.method = method_;
  event.pattern = pattern_;
  event.status = status;
  event.elapsed = Clock::now() - started_;
  if (shared_->options.on_tag) event.tag = tag_;
  shared_->options.on_completed(event);
}

}  // namespace ei::http
