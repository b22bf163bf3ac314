#include "runtime/http/server.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <map>

#include "runtime/async/event.hpp"
#include "runtime/http/eviction.hpp"
#include "runtime/http/handshake_queue.hpp"
#include "runtime/http/listener.hpp"
#include "runtime/http/request_tag.hpp"
#include "runtime/http/session.hpp"
#include "runtime/http/turn_away.hpp"
#include "runtime/log/log.hpp"

namespace ei::http {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// Out of descriptors or memory: accepting again at once would spin.
constexpr milliseconds kAcceptPause{100};
// A handler that does not honour cancellation must not hold a drain for ever.
constexpr milliseconds kAbortPatience{5'000};
// In a drain, for a client that has only just connected to send its request: a round trip over the world.
constexpr milliseconds kFirstRequestPatience{500};

std::vector<RoutePattern> patterns_of(std::vector<Route> const& routes) {
  std::vector<RoutePattern> out;
  for (Route const& route : routes) out.push_back({route.method, route.pattern});
  return out;
}

std::vector<RoutePattern> patterns_of(std::vector<WebSocketRoute> const& routes) {
  std::vector<RoutePattern> out;
  for (WebSocketRoute const& route : routes) out.push_back({"", route.pattern});
  return out;
}

// Whose connections are counted together: an IPv4 address, or an IPv6 network of 64 bits.
using Origin = std::string;

Origin origin_of(tcp::socket const& socket) {
  boost::system::error_code code;
  auto const address = socket.remote_endpoint(code).address();
  if (code) return {};
  if (address.is_v6() && !address.to_v6().is_v4_mapped()) {
    auto const bytes = address.to_v6().to_bytes();
    return {bytes.begin(), bytes.begin() + 8};
  }
  auto const v4 =
      address.is_v4() ? address.to_v4() : asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  auto const bytes = v4.to_bytes();
  return {bytes.begin(), bytes.end()};
}

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Impl> {
  Impl(asio::any_io_executor ex) : executor(ex), acceptor(ex), ended(ex) {}

  Result<void> listen();
  asio::awaitable<void> accept();
  void serve(tcp::socket socket);
  void turn_away(tcp::socket socket);
  [[nodiscard]] std::size_t connections_from(Origin const& origin) const;
  bool make_room(Origin const* origin);
  bool end_hopeless_body(Session const& newcomer);
  bool end_slowest_reader(Session const& newcomer);
  void stop_accepting();
  void close_idle(bool also_expecting);
  void abort_all();
  asio::awaitable<bool> wait_until_empty(SteadyTime deadline);

  asio::any_io_executor executor;
  tcp::acceptor acceptor;
  Event ended;  // one of the sessions has
  std::shared_ptr<ServerRoutes> shared = std::make_shared<ServerRoutes>();
  struct Connected {
    std::shared_ptr<Session> session;
    Origin origin;
  };
  std::list<Connected> sessions;              // oldest first
  std::map<Origin, std::size_t> from_origin;  // how many of them
  bool abandoned = false;                     // the Server is gone, and what its handlers refer to
};

Result<void> Server::Impl::listen() {
  auto const& options = shared->options;
  auto opened = options.descriptor ? inherit_listener(executor, *options.descriptor)
                                   : open_listener(executor, options.address, options.port);
  if (!opened) return opened.error();
  acceptor = std::move(*opened);
  return boost::system::in_place_value;
}

asio::awaitable<void> Server::Impl::accept() {
  auto const self = shared_from_this();
  while (acceptor.is_open()) {
    auto [code, socket] = co_await acceptor.async_accept(kAwait);
    if (abandoned) break;
    if (!code) {
      serve(std::move(socket));  // also one that came just before the acceptor was closed
      continue;
    }
    if (code == asio::error::operation_aborted) break;
    log::warn("accept_failed", {{"what", code.message()}});
    asio::steady_timer pause(executor, kAcceptPause);
    co_await pause.async_wait(kAwait);
  }
}

void Server::Impl::serve(tcp::socket socket) {
  auto const& options = shared->options;
  auto const origin = origin_of(socket);
  auto const cap = options.max_connections_per_address;
  bool const fits = (cap == 0 || connections_from(origin) < cap || make_room(&origin)) &&
                    (sessions.size() < options.max_connections || make_room(nullptr));
  if (!fits) {
    turn_away(std::move(socket));
    return;
  }
  auto stream = options.tls ? AnyStream(TlsStream(std::move(socket), *options.tls->context()))
                            : AnyStream(std::move(socket));
  auto transport = std::make_unique<Transport>(std::move(stream));
  auto session = std::make_shared<Session>(std::move(transport), shared, origin);
  auto const place = sessions.insert(sessions.end(), Connected{session, origin});
  ++from_origin[origin];
  auto done = [self = shared_from_this(), place](std::exception_ptr exception) {
    if (--self->from_origin[place->origin] == 0) self->from_origin.erase(place->origin);
    self->sessions.erase(place);
    self->ended.notify();
    if (!exception) return;
    try {
      std::rethrow_exception(exception);
    } catch (std::exception const& caught) {
      log::error("session_failed", {{"what", caught.what()}});
    }
  };
  asio::co_spawn(executor, Session::run(std::move(session)), std::move(done));
}

// Under TLS nothing can be said before a handshake, whose cost a crowd must not be able to ask for.
void Server::Impl::turn_away(tcp::socket socket) {
  Response response = problem(503, "Service Unavailable", "too many connections");
  response.headers.set("Retry-After", "1");
  if (shared->options.request_ids) response.headers.set(std::string(kRequestId), new_request_id());
  if (shared->options.add_headers) shared->options.add_headers("", response.headers);
  if (!shared->options.tls) {
    Transport transport{AnyStream(std::move(socket))};
    say_at_once(transport, response);
  }
  if (!shared->options.on_completed) return;
  Completed event;
  event.status = response.status;
  shared->options.on_completed(event);
}

std::size_t Server::Impl::connections_from(Origin const& origin) const {
  auto const found = from_origin.find(origin);
  return found == from_origin.end() ? 0 : found->second;
}

// Gives up whom slowest_connection() names, of `origin`'s where one is given; false when all are at work.
bool Server::Impl::make_room(Origin const* origin) {
  std::vector<std::shared_ptr<Session>> candidates;
  std::vector<Standing> standings;
  for (auto const& [session, from] : sessions) {
    if (origin != nullptr && from != *origin) continue;
    candidates.push_back(session);
    standings.push_back(session->standing());
  }
  auto const victim = slowest_connection(standings, Clock::now(), shared->options.min_rate);
  if (victim) candidates[*victim]->give_way();
  return victim.has_value();
}

bool Server::Impl::end_hopeless_body(Session const& newcomer) {
  std::vector<std::shared_ptr<Session>> candidates;
  std::vector<Standing> standings;
  for (auto const& [session, from] : sessions) {
    if (session.get() == &newcomer) continue;
    candidates.push_back(session);
    standings.push_back(session->standing());
  }
  auto const victim = hopeless_body(standings, Clock::now(), shared->options.body_timeout);
  if (victim) candidates[*victim]->give_way();
  return victim.has_value();
}

bool Server::Impl::end_slowest_reader(Session const& newcomer) {
  std::vector<std::shared_ptr<Session>> candidates;
  std::vector<Standing> standings;
  for (auto const& [session, from] : sessions) {
    if (session.get() == &newcomer || !session->holds_answer()) continue;
    candidates.push_back(session);
    standings.push_back(session->standing());
  }
  auto const victim = slowest_connection(standings, Clock::now(), shared->options.min_rate);
  if (victim) candidates[*victim]->give_way();
  return victim.has_value();
}

// Takes everybody who has connected already: the last owner's close resets who still waits to be accepted.
void Server::Impl::stop_accepting() {
  if (!acceptor.is_open()) return;
  boost::system::error_code code;
  acceptor.non_blocking(true, code);
  while (!code) {
    tcp::socket socket(executor);
    acceptor.accept(socket, code);
    if (!code) serve(std::move(socket));
  }
  acceptor.close(code);
}

void Server::Impl::close_idle(bool also_expecting) {
  auto const all = sessions;
  for (auto const& [session, from] : all) {
    if (session->idle() && (also_expecting || !session->expecting())) session->abort();
  }
}

void Server::Impl::abort_all() {
  auto const all = sessions;
  for (auto const& [session, from] : all) session->abort();
}

asio::awaitable<bool> Server::Impl::wait_until_empty(SteadyTime deadline) {
  auto const self = shared_from_this();
  co_return co_await until(
      ended, [this] { return sessions.empty(); }, deadline);
}

Server::Server(asio::any_io_executor executor, ServerOptions options, std::vector<Route> routes,
               std::vector<WebSocketRoute> websockets)
    : impl_(std::make_shared<Impl>(executor)) {
  auto& shared = *impl_->shared;
  shared.options = std::move(options);
  if (shared.options.tls && !shared.options.handshakes)
    shared.options.handshakes = std::make_shared<HandshakeQueue>(executor);
  shared.bodies = shared.options.bodies ? shared.options.bodies
                                        : std::make_shared<BodyBudget>(shared.options.max_body_bytes);
  shared.end_hopeless_body = [weak = impl_->weak_from_this()](Session const& newcomer) {
    auto const impl = weak.lock();
    return impl && impl->end_hopeless_body(newcomer);
  };
  shared.answers = std::make_shared<BodyBudget>(shared.options.max_answer_bytes);
  shared.end_slowest_reader = [weak = impl_->weak_from_this()](Session const& newcomer) {
    auto const impl = weak.lock();
    return impl && impl->end_slowest_reader(newcomer);
  };
  shared.patterns = patterns_of(routes);
  shared.routes = std::move(routes);
  shared.websocket_patterns = patterns_of(websockets);
  shared.websockets = std::move(websockets);
}

Server::~Server() {
  impl_->abandoned = true;
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
  impl_->abort_all();
}

Result<void> Server::listen() {
  return impl_->listen();
}

std::uint16_t Server::port() const {
  boost::system::error_code code;
  auto const endpoint = impl_->acceptor.local_endpoint(code);
  return code ? std::uint16_t{0} : endpoint.port();
}

void Server::start() {
  auto done = [](std::exception_ptr exception) {
    if (exception) log::error("accept_loop_failed", {});
  };
  asio::co_spawn(impl_->executor, impl_->accept(), std::move(done));
}

void Server::leave() {
  impl_->shared->draining = true;
  if (impl_->shared->options.descriptor) impl_->stop_accepting();
}

void Server::close_idle() {
  impl_->close_idle(false);
}

asio::awaitable<void> Server::drain(milliseconds grace) {
  auto const impl = impl_;
  leave();
  auto const end = Clock::now() + grace;
  impl->stop_accepting();
  impl->close_idle(false);
  bool const quick = co_await impl->wait_until_empty(std::min(end, Clock::now() + kFirstRequestPatience));
  if (quick) co_return;
  impl->close_idle(true);
  bool const finished = co_await impl->wait_until_empty(end);
  if (finished) co_return;
  impl->abort_all();
  bool const aborted = co_await impl->wait_until_empty(Clock::now() + kAbortPatience);
  if (!aborted) log::warn("drain_incomplete", {{"connections", impl->sessions.size()}});
}

std::size_t Server::connections() const {
  return impl_->sessions.size();
}

}  // namespace ei::http
