#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/http/body_budget.hpp"
#include "runtime/http/eviction.hpp"
#include "runtime/http/parser.hpp"
#include "runtime/http/routing.hpp"
#include "runtime/http/server.hpp"
#include "runtime/http/transport.hpp"
#include "runtime/http/wire.hpp"
#include "runtime/log/throttle.hpp"

namespace ei::http {

class Session;

/// What all sessions of a server share, read-only but for `draining`.
struct ServerRoutes {
  ServerOptions options;
  std::vector<Route> routes;
  std::vector<RoutePattern> patterns;
  std::vector<WebSocketRoute> websockets;
  std::vector<RoutePattern> websocket_patterns;
  bool draining = false;
  std::shared_ptr<BodyBudget> bodies;
  std::shared_ptr<BodyBudget> answers;
  log::Throttle handshake_lines;
  /// Ends another connection, whose body is hopeless, and with it its claim; false where there is none.
  std::function<bool(Session const& newcomer)> end_hopeless_body;
  /// Ends another connection, whose client takes its answer the slowest; false where there is none.
  std::function<bool(Session const& newcomer)> end_slowest_reader;
};

/// One accepted connection: reads requests, runs handlers, writes answers, one after the other.
class Session {
 public:
  /// nginx's and its dashboards' word for "the client left before the answer".
  static constexpr int kClientClosed = 499;

  /// `address`: what is counted as one address, which its connections share.
  Session(std::unique_ptr<Transport> transport, std::shared_ptr<ServerRoutes> shared, std::string address);
  ~Session();

  /// Serves until the connection ends. `self` keeps the session alive.
  static asio::awaitable<void> run(std::shared_ptr<Session> self);

  /// True while no request has begun.
  [[nodiscard]] bool idle() const { return state_ == State::Idle; }
  /// True while idle where closing could lose a request: one has arrived and is not read yet, or the client
  /// has only just connected, which it does to send one.
  [[nodiscard]] bool expecting() const;
  [[nodiscard]] Standing standing() const;
  /// True while bytes of an answer wait for their client.
  [[nodiscard]] bool holds_answer() const { return answer_claim_ != nullptr; }
  /// Drops the connection and cancels (terminal) what runs.
  void abort();
  /// Drops a connection whose place somebody else gets; who was sending hears 408 as far as that goes.
  void give_way();

 private:
  enum class State { Idle, Reading, Running, Answering, Closed };
  enum class Next { KeepAlive, Linger, Drop };
  // One read: a header fits, a 100 kB picture takes a few. Nothing of it is kept while a connection waits.
  static constexpr std::size_t kReadSize = 32 * 1024;
  // One read of a body while all that is asked for is there: most pictures' rest. It is filled with zeros
  // before, which for bytes that come one by one would cost more than their reads.
  static constexpr std::size_t kBodyReadSize = 256 * 1024;
  struct BodyReads {
    std::size_t most = kReadSize;
    bool more = false;  // the last read took all that it asked for
  };
  struct Handling;  // a handler in progress
  class Writer;     // a streamed answer

  asio::awaitable<void> end_handshake(Transport::FailedHandshake const& failed);
  asio::awaitable<Next> serve_one();
  asio::awaitable<Result<void>> fill(SteadyTime deadline, std::size_t most = kReadSize);
  asio::awaitable<Result<void>> fill_body(RequestParser& parser, BodyReads& reads);
  asio::awaitable<Next> await_request(RequestParser& parser);
  asio::awaitable<Next> read_header(RequestParser& parser);
  asio::awaitable<Next> read_body(RequestParser& parser, std::size_t max_body);
  [[nodiscard]] Result<void> claim_body(std::size_t bytes);
  [[nodiscard]] SteadyTime body_deadline() const;
  void enter(State state);
  asio::awaitable<Next> dispatch(RequestParser& parser);
  asio::awaitable<Next> upgrade(RequestParser& parser, std::size_t index);
  asio::awaitable<Next> run_handler(Route const& route, Request request);
  asio::awaitable<Next> conclude(Route const& route, Handling& handling, Writer& writer);
  asio::awaitable<void> watch_client(std::shared_ptr<Handling> handling);
  asio::awaitable<Next> answer(Response response, Next next);
  asio::awaitable<Result<void>> send(std::string_view first, std::string_view second);
  void hold_answer(std::size_t bytes);
  [[nodiscard]] std::uint64_t taken() const;
  asio::awaitable<Next> refuse(Error fault);
  asio::awaitable<Result<void>> say_continue(RequestParser& parser);
  [[nodiscard]] std::size_t body_limit(RouteMatch const& match) const;
  [[nodiscard]] ResponseHeadOptions head_options() const;
  void add_headers(Headers& headers);
  void completed(int status);

  std::unique_ptr<Transport> transport_;
  std::shared_ptr<ServerRoutes> shared_;
  std::string address_;
  State state_ = State::Idle;
  SteadyTime since_ = std::chrono::steady_clock::now();  // that state, or its part, began
  std::size_t moved_ = 0;                                // bytes read since
  bool answered_ = false;                                // at least one request
  std::string buffer_;                                   // received, not yet parsed
  std::shared_ptr<Handling> handling_;                   // set while a handler runs
  std::shared_ptr<BodyBudget::Claim> claim_;             // set while a body is read
  std::unique_ptr<BodyBudget::Claim> answer_claim_;      // set while an answer is written
  std::uint64_t taken_before_ = 0;                       // acknowledged before that answer
  bool unsent_short_ = false;                            // keep_unsent_short() was called
  // Of the request being served, for the answer and for on_completed:
  SteadyTime started_{};
  std::string method_;
  std::string pattern_;
  std::string origin_;
  RequestTag tag_;
  bool keep_alive_ = false;
  bool http_1_0_ = false;
};

}  // namespace ei::http
