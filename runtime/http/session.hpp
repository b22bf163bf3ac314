#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "runtime/http/parser.hpp"
#include "runtime/http/routing.hpp"
#include "runtime/http/server.hpp"
#include "runtime/http/transport.hpp"
#include "runtime/http/wire.hpp"

namespace ei::http {

/// What all sessions of a server share, read-only but for `draining`.
struct ServerRoutes {
  ServerOptions options;
  std::vector<Route> routes;
  std::vector<RoutePattern> patterns;
  std::vector<WebSocketRoute> websockets;
  std::vector<RoutePattern> websocket_patterns;
  bool draining = false;
};

/// One accepted connection: reads requests, runs handlers, writes answers, one after the other.
class Session {
 public:
  /// nginx's and its dashboards' word for "the client left before the answer".
  static constexpr int kClientClosed = 499;

  Session(std::unique_ptr<Transport> transport, std::shared_ptr<ServerRoutes> shared);
  ~Session();

  /// Serves until the connection ends. `self` keeps the session alive.
  static asio::awaitable<void> run(std::shared_ptr<Session> self);

  /// True while no request has begun.
  [[nodiscard]] bool idle() const { return state_ == State::Idle; }
  /// True while idle where closing could lose a request: one has arrived and is not read yet, or the client
  /// has only just connected, which it does to send one.
  [[nodiscard]] bool expecting() const;
  /// Drops the connection and cancels (terminal) what runs.
  void abort();

 private:
  enum class State { Idle, Reading, Running, Closed };
  enum class Next { KeepAlive, Linger, Drop };
  struct Exchange;  // a handler in progress
  class Writer;     // a streamed answer

  asio::awaitable<Next> serve_one();
  asio::awaitable<Result<void>> fill(SteadyTime deadline);
  asio::awaitable<Next> await_request(RequestParser& parser);
  asio::awaitable<Next> read_header(RequestParser& parser);
  asio::awaitable<Next> read_body(RequestParser& parser, std::size_t max_body);
  asio::awaitable<Next> dispatch(RequestParser& parser);
  asio::awaitable<Next> upgrade(RequestParser& parser, std::size_t index);
  asio::awaitable<Next> run_handler(Route const& route, Request request);
  asio::awaitable<Next> conclude(Route const& route, Exchange& exchange, Writer& writer);
  asio::awaitable<void> watch_client(std::shared_ptr<Exchange> exchange);
  asio::awaitable<Next> answer(Response response, Next next);
  asio::awaitable<Next> refuse(Error fault);
  asio::awaitable<Result<void>> say_continue(RequestParser& parser);
  [[nodiscard]] std::size_t body_limit(RouteMatch const& match) const;
  [[nodiscard]] ResponseHeadOptions head_options() const;
  void completed(int status);

  std::unique_ptr<Transport> transport_;
  std::shared_ptr<ServerRoutes> shared_;
  State state_ = State::Idle;
  bool answered_ = false;               // at least one request
  std::string buffer_;                  // received, not yet parsed
  std::shared_ptr<Exchange> exchange_;  // set while a handler runs
  // Of the request being served, for the answer and for on_completed:
  SteadyTime started_{};
  std::string method_;
  std::string pattern_;
  bool keep_alive_ = false;
  bool http_1_0_ = false;
};

}  // namespace ei::http
