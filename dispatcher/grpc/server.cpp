#include "dispatcher/grpc/server.hpp"

#include <fcntl.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <thread>
#include <utility>

#include "dispatcher/grpc/call.hpp"
#include "dispatcher/grpc/connections.hpp"
#include "dispatcher/grpc/methods.hpp"
#include "dispatcher/grpc/outbox.hpp"
#include "dispatcher/grpc/status.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/http/listener.hpp"
#include "runtime/log/log.hpp"

namespace ei::dispatcher {
namespace {

using asio::ip::tcp;
using grpc_front::Call;

// As HTTP's header: gRPC's metadata is the same.
constexpr int kMaxMetadata = 16 * 1024;
// To say hello in HTTP/2, as HTTP's header_timeout: gRPC's own two minutes let a silent crowd in.
constexpr milliseconds kHandshake{10'000};
// A peer that is silent is asked whether it is there, and is gone without an answer. gRPC's own two hours are
// too long for a request that nobody waits for any more.
constexpr milliseconds kKeepaliveTime{30'000};
constexpr milliseconds kKeepaliveTimeout{10'000};
// The shortest that gRPC's clients allow themselves; its own five minutes ends
// connections of those who use it.
constexpr milliseconds kClientPings{10'000};
// What an answer takes after the deadline of its call.
constexpr milliseconds kAgeGrace{10'000};
// How often it is asked whether the last connection has ended, while this process waits for nothing else.
constexpr milliseconds kLook{20};
// With no descriptor or memory left, accepting again at once would fail again.
constexpr milliseconds kAcceptPause{100};

// gRPC's jitter is a tenth; a tick of its timers, and the two frames of a GOAWAY, come on top.
milliseconds longest_age(milliseconds age) {
  return age + age / 10 + milliseconds(500);
}

void log_of_grpc(gpr_log_func_args* args) {
  bool const error = args->severity == GPR_LOG_SEVERITY_ERROR;
  log::write(error ? log::Level::Warn : log::Level::Debug, "grpc",
             {{"message", args->message}, {"file", args->file}, {"line", args->line}});
}

int as_int(milliseconds time) {
  return static_cast<int>(time.count());
}

// The address whose connections count together: of IPv6 one /64, which is one customer's.
std::string counted_address(asio::ip::address const& address) {
  if (address.is_v4()) return address.to_string();
  auto bytes = address.to_v6().to_bytes();
  if (address.to_v6().is_v4_mapped()) return address.to_string();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return asio::ip::address_v6(bytes).to_string();
}

Error too_many_calls() {
  Error error = make_error(ErrorKind::TooMany, "too many calls are open");
  error.http_status = 429;
  error.retry_after = std::chrono::seconds(1);
  return error;
}

}  // namespace

struct GrpcServer::Impl : ::grpc::CallbackGenericService, std::enable_shared_from_this<GrpcServer::Impl> {
  Impl(asio::any_io_executor ex, LiveExchange& live, GrpcOptions given)
      : executor(std::move(ex)),
        options(std::move(given)),
        context{live, options, Event(executor)},
        acceptor(executor),
        connections(options.max_connections, options.max_connections_per_address),
        outbox({options.max_answer_bytes, options.min_rate, options.min_rate_grace}) {
    if (!options.bodies) options.bodies = std::make_shared<http::BodyBudget>(options.max_bytes);
  }
  ~Impl() override { stop_now(); }

  ::grpc::ServerGenericBidiReactor* CreateReactor(::grpc::GenericCallbackServerContext* call) override;

  bool build();
  void stop_now();
  void set_arguments(::grpc::ServerBuilder& builder) const;
  asio::awaitable<void> accept_all();
  void take(tcp::socket socket);
  void stop_accepting();
  asio::awaitable<void> serve(std::shared_ptr<Call> call);
  asio::awaitable<Result<void>> outcome_of(Call& call);
  void count(Call const& call, int status) const;

  asio::any_io_executor executor;
  GrpcOptions options;
  grpc_front::MethodContext context;
  tcp::acceptor acceptor;
  grpc_front::Connections connections;
  grpc_front::Outbox outbox;
  std::unique_ptr<::grpc::experimental::ExternalConnectionAcceptor> to_grpc;
  std::unique_ptr<::grpc::Server> server;
  std::size_t calls = 0;  // that gRPC has not done with
  SteadyTime last_accept = SteadyTime::min();
  bool accepting = false;
  bool shut_down = false;
};

// On one of gRPC's threads.
::grpc::ServerGenericBidiReactor* GrpcServer::Impl::CreateReactor(
    ::grpc::GenericCallbackServerContext* given) {
  auto const self = shared_from_this();
  auto call = Call::make(executor, *given, outbox, [self] { --self->calls; });
  asio::post(executor, [self, call] {
    ++self->calls;
    asio::co_spawn(self->executor, self->serve(call),
                   asio::bind_cancellation_slot(call->cancelled_slot(), asio::detached));
  });
  return call.get();
}

void GrpcServer::Impl::set_arguments(::grpc::ServerBuilder& builder) const {
  // A call that finds no room for its message in memory is ended by gRPC with RESOURCE_EXHAUSTED.
  ::grpc::ResourceQuota quota("dispatcher");
  quota.Resize(options.max_bytes);
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(static_cast<int>(grpc_front::max_message(options)));
  // Nothing bounds what a few compressed bytes become, and pictures do not shrink.
  for (auto const algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP})
    builder.SetCompressionAlgorithmSupportStatus(algorithm, false);
  // A proxy may bring all calls on one connection, and nothing may wait there that could wait in the queue.
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, static_cast<int>(options.max_calls));
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadata);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, as_int(kHandshake));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, as_int(kKeepaliveTime));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, as_int(kKeepaliveTimeout));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, as_int(kClientPings));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, as_int(options.connection_age));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                             as_int(options.body_timeout + options.request_timeout + kAgeGrace));
}

bool GrpcServer::Impl::build() {
  gpr_set_log_function(log_of_grpc);
  ::grpc::ServerBuilder builder;
  set_arguments(builder);
  builder.RegisterCallbackGenericService(this);
  to_grpc = builder.experimental().AddExternalConnectionAcceptor(
      ::grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      ::grpc::InsecureServerCredentials());
  server = builder.BuildAndStart();
  return server != nullptr;
}

void GrpcServer::Impl::stop_now() {
  if (server && !shut_down) server->Shutdown(std::chrono::system_clock::now());
}

asio::awaitable<void> GrpcServer::Impl::accept_all() {
  while (accepting) {
    auto [failed, socket] = co_await acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (!accepting) co_return;
    if (!failed) {
      take(std::move(socket));
    } else if (failed != asio::error::connection_aborted) {
      co_await sleep_for(kAcceptPause);
    }
  }
}

void GrpcServer::Impl::take(tcp::socket socket) {
  boost::system::error_code failed;
  auto const peer = socket.remote_endpoint(failed);
  if (failed) return;  // it has gone already
  auto address = counted_address(peer.address());
  auto const now = std::chrono::steady_clock::now();
  if (!connections.room_for(address, now)) {
    log::debug("grpc_connection_refused", {{"peer", address}, {"connections", connections.open()}});
    return;  // closes it: gRPC's clients come back after a moment
  }
  socket.native_non_blocking(true, failed);
  if (!failed) socket.set_option(tcp::no_delay(true), failed);
  if (failed) return;
  int const descriptor = socket.release(failed);
  if (failed) return;
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);  // no child shall keep it open
  last_accept = now;
  connections.add(descriptor, std::move(address));
  ::grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.fd = descriptor;
  to_grpc->HandleNewConnection(&parameters);
}

void GrpcServer::Impl::stop_accepting() {
  accepting = false;
  boost::system::error_code ignored;
  acceptor.close(ignored);
}

asio::awaitable<Result<void>> GrpcServer::Impl::outcome_of(Call& call) {
  try {
    if (calls > options.max_calls) co_return too_many_calls();
    co_return co_await grpc_front::answer(context, call);
  } catch (std::exception const& thrown) {
    // A cancelled coroutine ends by an exception too.
    if (call.cancelled()) co_return make_error(ErrorKind::Canceled, "the client left");
    log::error("grpc_call_failed",
               {{"method", call.method()}, {"request_id", call.tag().id}, {"error", thrown.what()}});
    co_return make_error(ErrorKind::Io, "internal error");
  }
}

asio::awaitable<void> GrpcServer::Impl::serve(std::shared_ptr<Call> call) {
  auto const self = shared_from_this();
  if (options.on_tag) options.on_tag(call->tag());
  auto const outcome = co_await outcome_of(*call);
  if (outcome) {
    count(*call, 200);
    co_return;
  }
  Error error = outcome.error();
  // The client's clock and ours end a call at the same moment, and which is first must not show: gRPC takes
  // the call away as if the client had left, or nobody could compute it until then.
  if (std::chrono::steady_clock::now() >= call->deadline() &&
      (error.kind == ErrorKind::Canceled || error.kind == ErrorKind::Unavailable)) {
    error.http_status = 504;
    error.retry_after.reset();
  }
  count(*call, grpc_front::http_status_of(error));
  call->finish(grpc_front::status_of(error));
}

void GrpcServer::Impl::count(Call const& call, int status) const {
  if (!options.on_completed) return;
  // What gRPC is on the wire: a POST to the method's path.
  http::Completed completed;
  completed.method = "POST";
  completed.pattern = std::string(grpc_front::known_method(call.method()));
  completed.status = status;
  completed.elapsed = std::chrono::steady_clock::now() - call.started();
  if (options.on_tag) completed.tag = call.tag();
  options.on_completed(completed);
}

GrpcServer::GrpcServer(asio::any_io_executor executor, LiveExchange& live, GrpcOptions options)
    : impl_(std::make_shared<Impl>(std::move(executor), live, std::move(options))) {}

GrpcServer::~GrpcServer() {
  impl_->stop_accepting();
  impl_->stop_now();
}

Result<void> GrpcServer::listen() {
  auto const& options = impl_->options;
  auto acceptor = options.descriptor ? http::inherit_listener(impl_->executor, *options.descriptor)
                                     : http::open_listener(impl_->executor, options.address, options.port);
  if (!acceptor) return acceptor.error();
  impl_->acceptor = std::move(*acceptor);
  return {};
}

std::uint16_t GrpcServer::port() const {
  boost::system::error_code failed;
  auto const endpoint = impl_->acceptor.local_endpoint(failed);
  return failed ? std::uint16_t{0} : endpoint.port();
}

Result<void> GrpcServer::start() {
  if (!impl_->build()) return make_error(ErrorKind::Io, "gRPC's server does not start");
  impl_->accepting = true;
  asio::co_spawn(
      impl_->executor, [impl = impl_] { return impl->accept_all(); }, asio::detached);
  return {};
}

void GrpcServer::readiness_changed() {
  impl_->context.health_changed.notify();
}

void GrpcServer::leave() {
  if (impl_->options.descriptor) impl_->stop_accepting();
}

asio::awaitable<void> GrpcServer::drain_connections() {
  auto const impl = impl_;
  impl->stop_accepting();
  impl->context.draining = true;
  impl->context.health_changed.notify();
  if (impl->last_accept == SteadyTime::min()) co_return;
  SteadyTime const until = impl->last_accept + longest_age(impl->options.connection_age);
  while (impl->connections.open() > 0 && std::chrono::steady_clock::now() < until) co_await sleep_for(kLook);
}

asio::awaitable<void> GrpcServer::drain(milliseconds grace) {
  auto const impl = impl_;
  impl->stop_accepting();
  impl->context.draining = true;
  impl->context.health_changed.notify();
  if (!impl->server || std::exchange(impl->shut_down, true)) co_return;
  Event done(impl->executor);
  // It blocks until the last call has ended.
  std::thread shutdown([&] {
    impl->server->Shutdown(std::chrono::system_clock::now() + grace);
    asio::post(impl->executor, [&done] { done.set(); });
  });
  (void)co_await done.wait_or_cancel();
  shutdown.join();
  // What gRPC has reported is still to be heard.
  while (impl->calls > 0) co_await sleep_for(milliseconds(1));
}

std::size_t GrpcServer::connections() const {
  return impl_->connections.open();
}

}  // namespace ei::dispatcher
