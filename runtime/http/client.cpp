#include "runtime/http/client.hpp"

#include <algorithm>
#include <list>

#include "runtime/core/redact.hpp"
#include "runtime/http/dial.hpp"
#include "runtime/http/parser.hpp"
#include "runtime/http/text.hpp"
#include "runtime/http/wire.hpp"

namespace ei::http {
namespace {

using Clock = std::chrono::steady_clock;

// One read, and the most that one ResponseStream::read gives.
constexpr std::size_t kReadSize = 64 * 1024;

// One connection with what was received but not parsed.
struct Connection {
  std::unique_ptr<Transport> transport;
  std::string buffer;
  SteadyTime last_used{};
};

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

// Reads once and feeds the parser; feeds the end when the server closed.
asio::awaitable<Result<void>> advance(Connection& connection, ResponseParser& parser, SteadyTime deadline) {
  // Not read_some: an idle watch would set kReadSize aside for as long as it waits.
  auto const got = co_await connection.transport->read_into(connection.buffer, kReadSize, deadline);
  if (!got) co_return got.error();
  if (*got == 0) co_return parser.feed_end();
  co_return Result<void>(boost::system::in_place_value);
}

// Parses what is in the buffer; stops where more is needed or the answer is complete.
Result<void> parse_buffer(Connection& connection, ResponseParser& parser) {
  while (!parser.done() && !connection.buffer.empty()) {
    auto const used = parser.feed(connection.buffer);
    if (!used) return used.error();
    connection.buffer.erase(0, *used);
    if (*used == 0) break;
  }
  return boost::system::in_place_value;
}

}  // namespace

struct Client::Impl : std::enable_shared_from_this<Impl> {
  Impl(asio::any_io_executor ex, Url to, std::optional<TlsClientOptions> how, ClientLimits const& given)
      : executor(std::move(ex)),
        origin(std::move(to)),
        tls_options(how.value_or(TlsClientOptions{})),
        limits(given) {}

  std::optional<Connection> take_idle();
  void keep(Connection connection);
  asio::awaitable<Result<Connection>> connect(SteadyTime deadline);
  asio::awaitable<Result<void>> exchange_head(Connection& connection, ResponseParser& parser,
                                              Request const& request, SteadyTime deadline);
  asio::awaitable<Result<std::unique_ptr<ResponseStream>>> start(Request request, SteadyTime deadline);

  asio::any_io_executor executor;
  Url origin;
  TlsClientOptions tls_options;
  ClientLimits limits;
  std::shared_ptr<asio::ssl::context> tls;
  std::list<Connection> idle;  // the most recently used last
};

namespace {

class Stream final : public ResponseStream {
 public:
  Stream(Connection connection, ResponseParser parser, std::function<void(Connection)> keep)
      : connection_(std::move(connection)), parser_(std::move(parser)), keep_(std::move(keep)) {
    give_back();
  }

  [[nodiscard]] Response const& head() const override { return parser_.response(); }

  asio::awaitable<Result<std::string>> read(milliseconds timeout) override {
    auto const deadline = Clock::now() + timeout;
    for (;;) {
      if (parser_.body_waiting() > 0) co_return parser_.take_body();
      if (failure_) co_return *failure_;
      if (parser_.done()) co_return std::string();
      auto advanced = co_await advance(connection_, parser_, deadline);
      if (advanced) advanced = parse_buffer(connection_, parser_);
      if (!advanced) fail(advanced.error());
      give_back();
    }
  }

 private:
  void fail(Error error) {
    failure_ = std::move(error);
    connection_.transport->close();
  }
  void give_back() {
    if (!keep_ || failure_ || !parser_.done()) return;
    if (parser_.keep_alive() && connection_.buffer.empty()) keep_(std::move(connection_));
    keep_ = nullptr;
  }

  Connection connection_;
  ResponseParser parser_;
  std::function<void(Connection)> keep_;
  std::optional<Error> failure_;
};

}  // namespace

std::optional<Connection> Client::Impl::take_idle() {
  while (!idle.empty()) {
    Connection connection = std::move(idle.back());
    idle.pop_back();
    bool const fresh = Clock::now() - connection.last_used < limits.idle_timeout;
    if (fresh && connection.transport->is_quiet()) return connection;
  }
  return {};
}

void Client::Impl::keep(Connection connection) {
  connection.last_used = Clock::now();
  idle.push_back(std::move(connection));
  if (idle.size() > limits.max_idle) idle.pop_front();
}

asio::awaitable<Result<Connection>> Client::Impl::connect(SteadyTime deadline) {
  if (origin.secure() && !tls) {
    auto made = make_client_context(tls_options);
    if (!made) co_return made.error();
    tls = *made;
  }
  auto const limit = std::min(deadline, Clock::now() + limits.connect_timeout);
  auto transport = co_await dial(executor, origin, tls, tls_options, limit, limits.admit_address);
  if (!transport) co_return transport.error();
  Connection connection;
  connection.transport = std::move(*transport);
  co_return std::move(connection);
}

asio::awaitable<Result<void>> Client::Impl::exchange_head(Connection& connection, ResponseParser& parser,
                                                          Request const& request, SteadyTime deadline) {
  std::string const head = request_head(request, origin.authority());
  auto const written = co_await connection.transport->write(head, request.body, deadline);
  // A server may refuse and close before it has read everything: its answer is then worth
  // more than the write's error.
  if (!written && written.error().kind != ErrorKind::Unavailable) co_return written.error();
  while (!parser.header_done()) {
    auto advanced = co_await advance(connection, parser, deadline);
    if (advanced) advanced = parse_buffer(connection, parser);
    if (!advanced) co_return written ? advanced.error() : written.error();
  }
  co_return Result<void>(boost::system::in_place_value);
}

asio::awaitable<Result<std::unique_ptr<ResponseStream>>> Client::Impl::start(Request request,
                                                                             SteadyTime deadline) {
  auto const self = shared_from_this();
  auto kept = take_idle();
  bool retry = kept && is_idempotent(request.method);
  for (;;) {
    Connection connection;
    if (kept) {
      connection = std::move(*kept);
      kept.reset();
    } else {
      auto connected = co_await connect(deadline);
      if (!connected) co_return connected.error();
      connection = std::move(*connected);
    }
    ResponseParser parser(limits.max_header, request.method == "HEAD");
    auto const got = co_await exchange_head(connection, parser, request, deadline);
    if (got) {
      std::weak_ptr<Impl> const weak = self;
      auto give_back = [weak](Connection used) {
        if (auto const impl = weak.lock()) impl->keep(std::move(used));
      };
      std::function<void(Connection)> keep_function(std::move(give_back));
      co_return std::unique_ptr<ResponseStream>(
          std::make_unique<Stream>(std::move(connection), std::move(parser), std::move(keep_function)));
    }
    if (!retry || got.error().kind != ErrorKind::Unavailable) co_return got.error();
    retry = false;
  }
}

Client::Client(asio::any_io_executor executor, Url origin, std::optional<TlsClientOptions> tls,
               ClientLimits limits)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(origin), std::move(tls), limits)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Url const& Client::origin() const {
  return impl_->origin;
}

asio::awaitable<Result<std::unique_ptr<ResponseStream>>> Client::open(Request request, milliseconds timeout) {
  return impl_->start(std::move(request), Clock::now() + timeout);
}

namespace {

asio::awaitable<Result<Response>> send_whole(asio::awaitable<Result<std::unique_ptr<ResponseStream>>> opening,
                                             std::size_t max_body, SteadyTime deadline) {
  auto stream = co_await std::move(opening);
  if (!stream) co_return stream.error();
  Response response = (*stream)->head();
  for (;;) {
    auto const left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    auto piece = co_await (*stream)->read(std::max(left, milliseconds{0}));
    if (!piece) co_return piece.error();
    if (piece->empty()) co_return std::move(response);
    if (response.body.size() + piece->size() > max_body) {
      co_return make_error(ErrorKind::Protocol,
                           "the answer is larger than " + std::to_string(max_body) + " bytes");
    }
    response.body += *piece;
  }
}

}  // namespace

asio::awaitable<Result<Response>> Client::send(Request request, milliseconds timeout) {
  auto const deadline = Clock::now() + timeout;
  return send_whole(impl_->start(std::move(request), deadline), impl_->limits.max_body, deadline);
}

namespace {

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool same_origin(Url const& left, Url const& right) {
  return left.scheme == right.scheme && left.host == right.host && left.port == right.port;
}

Headers only_range(Headers const& headers) {
  Headers kept;
  for (auto const& [name, value] : headers) {
    if (same_without_case(name, "Range") || same_without_case(name, "If-Range")) kept.add(name, value);
  }
  return kept;
}

}  // namespace

asio::awaitable<Result<std::unique_ptr<ResponseStream>>> get_following(asio::any_io_executor executor,
                                                                       Url url, Headers headers,
                                                                       std::optional<TlsClientOptions> tls,
                                                                       milliseconds timeout, Follow follow) {
  auto const deadline = Clock::now() + timeout;
  for (int followed = 0;; ++followed) {
    if (follow.admit_url) {
      if (auto const admitted = follow.admit_url(url); !admitted) co_return admitted.error();
    }
    ClientLimits limits;
    if (follow.admit_address) {
      limits.admit_address = [&](asio::ip::address const& address) {
        return follow.admit_address(url, address);
      };
    }
    Client client(executor, url, tls, std::move(limits));
    Request request;
    request.target = url.target;
    request.headers = headers;
    auto const left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    auto stream = co_await client.open(std::move(request), std::max(left, milliseconds{0}));
    if (!stream || !is_redirect((*stream)->head().status)) co_return std::move(stream);
    auto const location = (*stream)->head().headers.get("Location");
    if (!location) co_return std::move(stream);
    auto next = resolve_url(url, *location);
    if (!next) co_return with_context(next.error(), "the redirect's Location");
    if (url.secure() && !next->secure()) {
      co_return make_error(ErrorKind::Invalid,
                           "a redirect from https to " + display_url(next->to_string()) + " is not followed");
    }
    if (followed == follow.max_redirects) {
      co_return make_error(ErrorKind::Protocol,
                           "more than " + std::to_string(follow.max_redirects) + " redirects");
    }
    if (!same_origin(url, *next)) headers = only_range(headers);
    url = std::move(*next);
  }
}

}  // namespace ei::http
