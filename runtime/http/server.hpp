#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.hpp"
#include "runtime/core/units.hpp"
#include "runtime/http/message.hpp"
#include "runtime/http/server_tls.hpp"
#include "runtime/http/websocket.hpp"

namespace ei::http {
namespace asio = boost::asio;

class BodyBudget;
class HandshakeQueue;
enum class HandshakeFault;

/// Answers one request. When the client goes away or a drain's grace ends, the coroutine is cancelled
/// (terminal): its current asio operation ends with operation_aborted and nothing it returns is sent. An
/// exception becomes a 500 and a log line.
using Handler = std::function<asio::awaitable<Response>(Request)>;

/// Sends an answer piece by piece (chunked). Lives in the session; only its StreamHandler may use it.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;
  /// Sends status and headers; call once, first. `head.body` is ignored.
  virtual asio::awaitable<Result<void>> begin(Response head) = 0;
  /// Sends one chunk; an empty one sends nothing.
  virtual asio::awaitable<Result<void>> write(std::string chunk) = 0;
};

/// Answers one request by streaming; returning ends the answer. Cancelled like a Handler.
using StreamHandler = std::function<asio::awaitable<void>(Request, ResponseWriter&)>;

/// A route: `pattern` is a path whose `{name}` segments match any one non-empty segment. A literal segment
/// beats a parameter. GET routes also serve HEAD.
struct Route {
  std::string method;
  std::string pattern;  ///< "/v2/models/{model}/infer"
  Handler handler;
  StreamHandler stream = {};                 ///< used instead of `handler` when set
  std::optional<std::size_t> max_body = {};  ///< overrides ServerOptions::max_body
};

/// A path that upgrades to WebSocket.
struct WebSocketRoute {
  std::string pattern;
  /// A Response refuses the upgrade (401, 503 …); empty accepts. May be null: accepts all.
  std::function<std::optional<Response>(Request const&)> authorize;
  /// Runs for the connection's life; cancelled (terminal) after a drain's grace. Returning closes.
  std::function<asio::awaitable<void>(Request, std::unique_ptr<WebSocket>)> handler;
  WebSocketLimits limits = {};
};

/// What on_completed hears after every answer (also the server's own 4xx).
struct Completed {
  std::string method;   ///< as sent; "" when the request could not be read
  std::string pattern;  ///< the route's pattern; "" when none matched, so that labels stay bounded
  int status = 0;       ///< 499 when the client left before the answer
  std::chrono::nanoseconds elapsed{};  ///< from the first byte of the request (idle time excluded)
  RequestTag tag = {};                 ///< with ServerOptions::on_tag
};

struct ServerOptions {
  std::string address = "0.0.0.0";
  std::uint16_t port = 0;  ///< 0: the system chooses, see Server::port()
  /// Instead of both: a listening socket that this process was started with,
  /// and shares with its parent process.
  std::optional<int> descriptor = {};
  std::size_t max_body = 1024 * 1024;  ///< bytes; over it 413, before reading where Content-Length says so
  /// Bytes of request line, header fields and trailers, twice what nginx and Apache allow of one line; over
  /// it, or over kMaxFields fields, 431.
  std::size_t max_header = 16 * 1024;
  /// Above, the slowest or longest idle one is closed for the new one (see slowest_connection), which gets
  /// 503 only where all others are being served.
  std::size_t max_connections = 4096;
  /// Likewise for the connections of one address (of IPv6: one /64, which is one customer's); 0: no such cap.
  /// Clients behind one proxy, and on a cluster all that a node forwards, have one address together.
  std::size_t max_connections_per_address = 0;
  /// Bytes of bodies that are read or in a handler's hands. A body counts in full from its announcement; one
  /// that finds no room gets 429, or the place of a body that is too slow to arrive within body_timeout.
  std::size_t max_body_bytes = std::size_t{256} << 20;
  /// Instead of that: a budget that others count in as well.
  std::shared_ptr<BodyBudget> bodies = {};
  milliseconds header_timeout{10'000};  ///< from the first byte to the end of the headers; then 408
  milliseconds body_timeout{30'000};    ///< from the end of the headers to the end of the body; then 408
  /// Bytes a second that a client sends of a body, on average, once it has had min_rate_grace; else 408. A
  /// modem sends four times as much; a tenth of a second between the bytes of a
  /// picture holds a place for hours.
  std::size_t min_rate = 1024;
  milliseconds min_rate_grace{5'000};
  milliseconds idle_timeout{
      75'000};  ///< keep-alive between requests, as nginx; longer than common clients' pools
  /// For one answer, or one piece of a stream, to leave. Its bytes have to leave at min_rate as well, counted
  /// as the client's system acknowledges them: with min_rate_grace behind, the connection is reset.
  milliseconds write_timeout{30'000};
  /// Bytes of answers that clients have not taken yet. One that finds no room takes the slowest one's.
  std::size_t max_answer_bytes = std::size_t{64} << 20;
  std::function<void(Completed const&)> on_completed;
  /// Gives every request a tag (read_tag). Its id is in every answer as X-Request-Id.
  bool request_ids = false;
  /// May change a tag that was just read. Null: nobody wants to.
  std::function<void(RequestTag&)> on_tag = {};
  /// Adds headers to every answer, also to the server's own. `origin`: the request's Origin; "" where it has
  /// none, or could not be read.
  std::function<void(std::string_view origin, Headers&)> add_headers = {};
  /// Null: plain HTTP. A handshake has header_timeout; a client that speaks plain HTTP to TLS gets 400.
  std::shared_ptr<ServerTls const> tls;
  /// Whose turn the next step of a handshake is; null: a queue of this server's own. Servers of one thread
  /// share one, as they share its time.
  std::shared_ptr<HandshakeQueue> handshakes = {};
  /// Hears of every TLS handshake that failed, but for those that this side has given up.
  std::function<void(HandshakeFault)> on_handshake_failed;
};

/// An HTTP/1.1 server. Everything runs on the given executor, which must be a single thread or a strand.
/// 400, 404, 405 (+Allow), 408, 413, 417, 431, 500, 503 and 505 are answered by the
/// server itself as problem+json.
///
/// A client that shuts down only its sending side (`nc -N`, `shutdown(SHUT_WR)`) while its answer is pending
/// counts as gone: TCP cannot tell it from one that closed, and giving work of dead clients up matters more
/// here. The same choice as nginx's (`proxy_ignore_client_abort off`).
/// Bytes that were already received are served first.
class Server {
 public:
  Server(asio::any_io_executor executor, ServerOptions options, std::vector<Route> routes,
         std::vector<WebSocketRoute> websockets = {});
  ~Server();
  Server(Server const&) = delete;
  Server& operator=(Server const&) = delete;

  /// Binds and listens. Errors: Invalid (address, descriptor), Io (port taken).
  [[nodiscard]] Result<void> listen();
  /// The bound port; 0 before listen().
  [[nodiscard]] std::uint16_t port() const;
  /// Begins to accept. Call after listen().
  void start();

  /// Every answer from now on says `Connection: close` and is its connection's last. New connections are
  /// still accepted and served: their clients do not know yet that this server is leaving. On an inherited
  /// socket only connections that wait already are: the successor accepts later ones. drain() ends it.
  void leave();
  /// Closes the connections that wait between two requests. Not those that have not asked anything yet.
  void close_idle();

  /// Accepts who waits and nobody after them, closes idle connections, lets requests that have arrived finish
  /// with `Connection: close`, and after `grace` cancels them (terminal) and waits until the last session has
  /// ended. Who has connected but not asked yet is given half a second of the grace to do so. Idempotent.
  [[nodiscard]] asio::awaitable<void> drain(milliseconds grace);

  [[nodiscard]] std::size_t connections() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace ei::http
