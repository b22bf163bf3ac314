// The Open Inference Protocol over gRPC, beside HTTP's /v2: the same queue, admission and answers. No header
// of gRPC is in here, so that who includes this does not pay for them.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "dispatcher/contract/capacity.hpp"
#include "dispatcher/contract/picture/inspect.hpp"
#include "dispatcher/contract/ports.hpp"
#include "dispatcher/live/live_exchange.hpp"
#include "dispatcher/oip/infer.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/body_budget.hpp"
#include "runtime/http/server.hpp"

namespace ei::dispatcher {

/// A client opens one connection for all its calls; a thousand clients are more than one dispatcher answers.
inline constexpr std::size_t kGrpcConnections = 1024;

struct GrpcOptions {
  std::string address = "0.0.0.0";
  std::uint16_t port = kGrpcPort;
  std::optional<int> descriptor = {};  ///< a listening socket that was handed down, instead of both
  oip::ServedModel model{"resnet18"};
  milliseconds request_timeout{30'000};  ///< the longest deadline; the client's shortens it
  milliseconds body_timeout{30'000};     ///< for a call's message to arrive
  PictureLimits picture{};
  std::size_t max_calls = 4096;  ///< open at a time, on all connections; above, RESOURCE_EXHAUSTED
  std::size_t max_connections = kGrpcConnections;
  std::size_t max_connections_per_address = kGrpcConnections - kGrpcConnections / 8;  ///< 0: no such cap
  std::size_t max_bytes = kGrpcBytes;
  /// Answers that clients have not taken yet, as http::ServerOptions has them for HTTP, with the same rate.
  std::size_t max_answer_bytes = std::size_t{64} << 20;
  std::size_t min_rate = 1024;
  milliseconds min_rate_grace{5'000};
  /// A connection of this age, give or take a tenth, is told to go (GOAWAY) while its calls go on: its client
  /// comes back on a new one, which may reach another dispatcher.
  milliseconds connection_age{30'000};
  /// Bodies in the dispatcher's hands, HTTP's and gRPC's together.
  std::shared_ptr<http::BodyBudget> bodies = {};
  std::function<void(http::Completed const&)> on_completed = {};
  /// As http::ServerOptions::on_tag.
  std::function<void(RequestTag&)> on_tag = {};
};

/// Runs gRPC's server. All of it but gRPC's own threads runs on the executor, which must be one thread.
class GrpcServer {
 public:
  GrpcServer(asio::any_io_executor executor, LiveExchange& live, GrpcOptions options);
  ~GrpcServer();
  GrpcServer(GrpcServer const&) = delete;
  GrpcServer& operator=(GrpcServer const&) = delete;

  /// Binds and listens. Errors: Invalid (address, descriptor), Io (port taken).
  [[nodiscard]] Result<void> listen();
  [[nodiscard]] std::uint16_t port() const;  ///< 0 before listen()
  /// Begins to accept. Errors: Io when gRPC cannot start.
  [[nodiscard]] Result<void> start();

  /// The service's readiness has changed: tells those who watch its health.
  void readiness_changed();
  /// Of an inherited socket, nobody else is accepted: who connects later is the successor's.
  void leave();
  /// Accepts nobody else, and serves on until every connection has been told to go by its age and has ended,
  /// or its client had the time to: at most the age and a tenth. gRPC has no other way to end a busy
  /// connection without losing the calls that are on their way to it.
  [[nodiscard]] asio::awaitable<void> drain_connections();
  /// Refuses what is new, lets calls finish, and cancels them after `grace`. Idempotent.
  [[nodiscard]] asio::awaitable<void> drain(milliseconds grace);

  [[nodiscard]] std::size_t connections() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace ei::dispatcher
