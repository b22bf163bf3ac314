#include "dispatcher/workers/link_route.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "runtime/async/deadline.hpp"
#include "runtime/http/websocket_closed.hpp"
#include "runtime/log/log.hpp"
#include "runtime/log/throttle.hpp"

namespace ei::dispatcher {
namespace {

using Socket = std::shared_ptr<http::WebSocket>;

struct Door {
  LinkGate gate;
  log::Throttle refusals;  // any client of the port can cause one line after the other
};

std::optional<http::Response> authorize(http::Request const& request, Door& door) {
  auto const admitted = door.gate.admit(request.headers.get("Authorization"));
  if (admitted) return std::nullopt;
  if (auto const held_back = door.refusals.admit(std::chrono::steady_clock::now())) {
    log::warn("link_refused",
              {{"peer", request.peer}, {"reason", admitted.error().message}, {"held_back", *held_back}});
  }
  // The reason is for those who read the log: it would tell a stranger what to try next.
  http::Response refusal =
      http::problem(401, "Unauthorized", "the worker link wants a token of its own as Authorization: Bearer");
  refusal.headers.set("WWW-Authenticate", "Bearer");
  return refusal;
}

asio::awaitable<void> send_frame(Socket socket, Frame frame) {
  http::WebSocket::Message message;
  message.data = std::move(frame.head);
  message.more = std::move(frame.pictures);
  message.owner = std::make_shared<decltype(frame.submissions)>(std::move(frame.submissions));
  auto const sent = co_await socket->send(std::move(message));
  // The session's receive() then fails, and takes the worker's jobs back.
  if (!sent) socket->abort();
}

WorkerPort port_of(asio::any_io_executor executor, Socket const& socket) {
  WorkerPort port;
  port.send = [executor, socket](Frame frame) {
    asio::co_spawn(executor, send_frame(socket, std::move(frame)), asio::detached);
  };
  port.drop = [socket](std::string const& reason) {
    log::warn("worker_dropped", {{"peer", socket->peer()}, {"reason", reason}});
    socket->abort();
  };
  return port;
}

asio::awaitable<Result<link::FromWorker>> receive(Socket socket) {
  auto message = co_await socket->receive();
  if (!message) co_return message.error();
  if (!message->binary)
    co_return make_error(ErrorKind::Protocol, "worker link: a text message; allowed: binary");
  co_return link::decode_from_worker(message->data);
}

asio::awaitable<Result<link::Hello>> receive_hello(Socket socket) {
  auto message = co_await receive(socket);
  if (!message) co_return message.error();
  auto* hello = std::get_if<link::Hello>(&*message);
  if (hello == nullptr)
    co_return make_error(ErrorKind::Protocol, "worker link: the first message is no hello");
  co_return std::move(*hello);
}

Result<void> handle(LiveExchange& live, WorkerId worker, link::FromWorker message) {
  if (std::holds_alternative<link::Ready>(message)) return live.ready(worker);
  if (auto* result = std::get_if<link::JobResult>(&message)) return live.result(worker, std::move(*result));
  if (std::holds_alternative<link::Standby>(message)) {
    live.standby(worker);
    return {};
  }
  if (std::holds_alternative<link::Bye>(message)) {
    live.bye(worker);
    return {};
  }
  if (auto const* overrun = std::get_if<link::Overrun>(&message)) return live.overrun(worker, overrun->id);
  return make_error(ErrorKind::Protocol, "worker link: a second hello");
}

Ended ended_by(Error const& why) {
  if (why.kind == ErrorKind::Protocol) return Ended::Broken;
  bool const closed = why.kind == ErrorKind::Canceled || why.message.starts_with(http::kPeerClosed);
  return closed ? Ended::Closed : Ended::Lost;
}

// However a session ends, what its worker held is taken back; when it is cancelled, this side has closed it.
struct Attached {
  LiveExchange& live;
  WorkerId id;
  Ended how = Ended::Closed;
  Attached(LiveExchange& given, WorkerId worker) : live(given), id(worker) {}
  Attached(Attached const&) = delete;
  Attached& operator=(Attached const&) = delete;
  ~Attached() { live.detach(id, how); }
};

// Until the connection ends or the worker breaks the protocol; the reason, for the log and for the worker.
asio::awaitable<Error> serve(LiveExchange& live, WorkerId id, Socket socket) {
  Attached attached(live, id);
  for (;;) {
    auto message = co_await receive(socket);
    auto const handled = message ? handle(live, id, std::move(*message)) : message.error();
    if (handled) continue;
    attached.how = ended_by(handled.error());
    co_return handled.error();
  }
}

asio::awaitable<void> session(asio::any_io_executor executor, LiveExchange& live, milliseconds hello_timeout,
                              Socket socket) {
  auto hello = co_await within(hello_timeout, "the worker's hello", receive_hello(socket));
  if (!hello) {
    log::warn("worker_rejected", {{"peer", socket->peer()}, {"reason", hello.error().message}});
    co_await socket->close(hello.error().message);
    co_return;
  }
  std::string const name = hello->worker;
  std::size_t const classes = hello->classes;
  auto const id = live.attach(std::move(*hello), port_of(executor, socket));
  if (!id) {
    log::warn("worker_rejected",
              {{"peer", socket->peer()}, {"worker", name}, {"reason", id.error().message}});
    co_await socket->close(id.error().message);
    co_return;
  }
  log::info("worker_linked", {{"worker", name}, {"peer", socket->peer()}, {"classes", classes}});
  Error const why = co_await serve(live, *id, socket);
  log::info("worker_unlinked", {{"worker", name}, {"peer", socket->peer()}, {"reason", why.message}});
  if (why.kind == ErrorKind::Protocol) co_await socket->close(why.message);
}

}  // namespace

http::WebSocketRoute link_route(asio::any_io_executor executor, LiveExchange& live, LinkOptions options) {
  http::WebSocketRoute route;
  route.pattern = std::string(link::kPath);
  route.limits.max_message = link::kMaxFrameBytes;
  auto const door = std::make_shared<Door>(Door{std::move(options.gate), {}});
  route.authorize = [door](http::Request const& request) { return authorize(request, *door); };
  route.handler = [executor, &live, timeout = options.hello_timeout](
                      http::Request, std::unique_ptr<http::WebSocket> socket) {
    return session(executor, live, timeout, Socket(std::move(socket)));
  };
  return route;
}

}  // namespace ei::dispatcher
