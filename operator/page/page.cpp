#include "operator/page/page.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "operator/page/assets.hpp"
#include "operator/page/tryout.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/core/json.hpp"
#include "runtime/crypto/digest.hpp"
#include "runtime/process/program.hpp"

namespace ei::page {
namespace {

// People with the page open, and a few tabs each. A list of a hundred rows costs 1 ms of CPU a second.
constexpr int kMostStreams = 32;
// Of one address: half of them are left for the others.
constexpr std::size_t kConnections = 128;
constexpr std::size_t kConnectionsPerAddress = 64;
// Services are scraped once a second.
constexpr milliseconds kBeat{1'000};
// Of one trial at a time, between two looks at what else there is to do: a scrape is so much later at most.
constexpr milliseconds kSlice{2};

http::ServerOptions server_options(Options const& options) {
  http::ServerOptions out;
  out.address = options.address;
  out.port = options.port;
  out.max_body = 0;
  out.max_connections = kConnections;
  out.max_connections_per_address = kConnectionsPerAddress;
  out.add_headers = [](std::string_view, http::Headers& headers) {
    // Scripts and styles only from here: a name or a message of a user's stays text, whatever is in it.
    headers.set(
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    headers.set("X-Content-Type-Options", "nosniff");
    headers.set("Referrer-Policy", "no-referrer");
    headers.set("Cross-Origin-Resource-Policy", "same-origin");
    headers.set("Cache-Control", "no-store");
  };
  return out;
}

/// The host of a Host field, without its port and brackets.
std::string host_of(std::string_view field) {
  if (field.starts_with('[')) return std::string(field.substr(1, field.find(']') - 1));
  return std::string(field.substr(0, field.find(':')));
}

bool is_local_name(std::string const& host) {
  boost::system::error_code no_address;
  (void)boost::asio::ip::make_address(host, no_address);
  return host == "localhost" || !no_address;
}

http::Response answer(Result<boost::json::object> const& object) {
  if (object) return http::json(200, *object);
  if (object.error().kind == ErrorKind::NotFound)
    return http::problem(404, "Not Found", object.error().message);
  if (object.error().kind == ErrorKind::Unavailable)
    return http::problem(409, "Conflict", object.error().message);
  return http::problem(400, "Bad Request", object.error().message);
}

}  // namespace

Page::Page(asio::any_io_executor executor, Options options)
    : options_(std::move(options)), server_(std::move(executor), server_options(options_), routes()) {}

reconcile::Listener Page::listener() {
  return {[this](reconcile::Decided const& each) { services_.decided(each); },
          [this](api::ServiceKey const& key, plan::RecordEvent const& each) {
            services_.event(key, each, wall_now());
          },
          [this](api::ServiceKey const& key) { services_.gone(key); }};
}

Result<void> Page::start() {
  if (!options_.token_file.empty()) {
    auto const token = process::read_token(options_.token_file);
    if (!token) return make_error(token.error().kind, "--page-token-file: " + token.error().message);
  }
  if (auto const listening = server_.listen(); !listening) return listening.error();
  server_.start();
  return {};
}

asio::awaitable<void> Page::stop() {
  co_await server_.drain(milliseconds(0));
}

// Why a request is not served; none when it is.
std::optional<http::Response> Page::refused(http::Request const& request) const {
  if (options_.token_file.empty()) {
    if (is_local_name(host_of(request.headers.get("Host").value_or("")))) return std::nullopt;
    return http::problem(421, "Misdirected Request",
                         "without a token this page answers under an IP address or localhost alone");
  }
  constexpr std::string_view kScheme = "Bearer ";
  auto const given = request.headers.get("Authorization").value_or("");
  auto const token = process::read_token(options_.token_file);
  if (token && given.starts_with(kScheme) && crypto::equal_secrets(given.substr(kScheme.size()), *token))
    return std::nullopt;
  auto response = http::problem(401, "Unauthorized", "this page asks for its bearer token");
  response.headers.set("WWW-Authenticate", "Bearer");
  return response;
}

Result<Page::Next> Page::begin_list(http::Request const& request) {
  auto const query = parse_list_query(request.query);
  if (!query) return query.error();
  return Next([this, query = *query, cursor = ListCursor()]() mutable -> Result<boost::json::object> {
    return services_.list(query, cursor, wall_now());
  });
}

Result<Page::Next> Page::begin_service(http::Request const& request) {
  api::ServiceKey key{request.params.at("namespace"), request.params.at("name")};
  return Next([this, key = std::move(key), cursor = ServiceCursor()]() mutable {
    return services_.service(key, cursor, wall_now());
  });
}

asio::awaitable<http::Response> Page::try_settings(http::Request const& request) {
  if (trying_) {
    auto busy = http::problem(503, "Service Unavailable",
                              "another request is trying settings now; try again in a moment");
    busy.headers.set("Retry-After", "1");
    co_return busy;
  }
  api::ServiceKey const key{request.params.at("namespace"), request.params.at("name")};
  auto known = services_.known(key, wall_now());
  if (!known) co_return answer(known.error());
  auto tryout = Tryout::begin(key, std::move(*known), request.query);
  if (!tryout) co_return answer(tryout.error());
  trying_ = true;
  std::shared_ptr<void> const done(nullptr, [this](void*) { trying_ = false; });
  for (auto since = steady_now(); tryout->step();) {
    if (steady_now() - since < kSlice) continue;
    co_await asio::post(asio::use_awaitable);
    since = steady_now();
  }
  co_return http::json(200, tryout->result());
}

asio::awaitable<void> Page::send(http::Request const& request, http::ResponseWriter& writer, Next next) {
  http::Response head;
  head.headers.set("Content-Type", "text/event-stream");
  if (!co_await writer.begin(std::move(head))) co_return;
  for (auto due = steady_now();; due = std::max(due + kBeat, steady_now())) {
    auto const object = next();
    auto const event =
        object ? "data: " + to_json_text(*object) + "\n\n"
               : "event: gone\ndata: " + to_json_text(boost::json::value(object.error().message)) + "\n\n";
    if (!co_await writer.write(event) || !object) co_return;
    co_await sleep_until(due + kBeat);
    if (refused(request)) co_return;  // its token was replaced
  }
}

http::Route Page::json_route(std::string pattern, std::function<Result<Next>(http::Request const&)> begin) {
  http::Route route;
  route.method = "GET";
  route.pattern = std::move(pattern);
  route.handler = [this, begin = std::move(begin)](http::Request request) -> asio::awaitable<http::Response> {
    if (auto response = refused(request)) co_return *response;
    auto next = begin(request);
    co_return answer(next ? (*next)() : Result<boost::json::object>(next.error()));
  };
  return route;
}

http::Route Page::stream_route(std::string pattern, std::function<Result<Next>(http::Request const&)> begin) {
  http::Route route;
  route.method = "GET";
  route.pattern = std::move(pattern);
  route.stream = [this, begin = std::move(begin)](http::Request request,
                                                  http::ResponseWriter& writer) -> asio::awaitable<void> {
    auto response = refused(request);
    auto next = begin(request);
    if (!response && !next) response = answer(next.error());
    if (!response && streams_ >= kMostStreams) {
      response = http::problem(503, "Service Unavailable",
                               "so many viewers are here already: " + std::to_string(kMostStreams));
      response->headers.set("Retry-After", "5");
    }
    if (response) {
      auto body = std::exchange(response->body, {});
      if (co_await writer.begin(std::move(*response))) (void)co_await writer.write(std::move(body));
      co_return;
    }
    ++streams_;
    std::shared_ptr<void> const counted(nullptr, [this](void*) { --streams_; });
    co_await send(request, writer, std::move(*next));
  };
  return route;
}

std::vector<http::Route> Page::routes() {
  std::vector<http::Route> out;
  // What is the same for everybody needs no token: the form that asks for it is a part of it.
  for (auto const& asset : assets()) {
    http::Route route;
    route.method = "GET";
    route.pattern = std::string(asset.path);
    route.handler = [asset](http::Request) -> asio::awaitable<http::Response> {
      http::Response response;
      response.headers.set("Content-Type", std::string(asset.type));
      response.body = asset.bytes;
      co_return response;
    };
    out.push_back(std::move(route));
  }
  auto const list = [this](http::Request const& request) { return begin_list(request); };
  auto const service = [this](http::Request const& request) { return begin_service(request); };
  out.push_back(json_route("/api/v1/services", list));
  out.push_back(json_route("/api/v1/services/{namespace}/{name}", service));
  http::Route trial;
  trial.method = "GET";
  trial.pattern = "/api/v1/services/{namespace}/{name}/trial";
  trial.handler = [this](http::Request request) -> asio::awaitable<http::Response> {
    if (auto response = refused(request)) co_return *response;
    co_return co_await try_settings(request);
  };
  out.push_back(std::move(trial));
  out.push_back(stream_route("/api/v1/streams/services", list));
  out.push_back(stream_route("/api/v1/streams/services/{namespace}/{name}", service));
  return out;
}

}  // namespace ei::page
