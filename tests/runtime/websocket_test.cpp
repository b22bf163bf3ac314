#include <catch2/catch.hpp>
#include <functional>

#include "tests/runtime/loop.hpp"
#include "tests/runtime/raw_client.hpp"
#include "tests/runtime/server_fixture.hpp"

using namespace ei;
using namespace std::chrono_literals;
using http::WebSocket;
using test::RawClient;
using test::TestServer;

namespace {

struct LinkLog {
  int opened = 0;
  std::optional<Error> last_error;
  int ended = 0;
};

asio::awaitable<void> echo(std::shared_ptr<LinkLog> log, std::unique_ptr<WebSocket> socket) {
  ++log->opened;
  for (;;) {
    auto message = co_await socket->receive();
    if (!message) {
      log->last_error = message.error();
      break;
    }
    auto const sent = co_await socket->send(std::move(*message));
    if (!sent) break;
  }
  ++log->ended;
}

std::vector<http::WebSocketRoute> echo_route(std::shared_ptr<LinkLog> log,
                                             http::WebSocketLimits limits = {}) {
  http::WebSocketRoute route;
  route.pattern = "/link";
  route.authorize = [](http::Request const& request) -> std::optional<http::Response> {
    if (request.headers.get("Authorization") == "Bearer secret") return {};
    return http::problem(401, "Unauthorized", "a token is needed");
  };
  route.handler = [log](http::Request, std::unique_ptr<WebSocket> socket) {
    return echo(log, std::move(socket));
  };
  route.limits = limits;
  return {route};
}

http::WebSocketConnect connect_options(TestServer& server, std::string token = "secret") {
  http::WebSocketConnect options;
  options.url = server.url("ws");
  options.url.target = "/link";
  options.headers.set("Authorization", "Bearer " + token);
  return options;
}

WebSocket::Message binary(std::string data) {
  WebSocket::Message message;
  message.data = std::move(data);
  return message;
}

/// A server whose route echoes, and a client that is linked to it.
struct Linked {
  Linked(asio::any_io_executor ex, http::WebSocketLimits limits)
      : executor(std::move(ex)), server(executor, test::quick_options(), echo_route(log, limits)) {}

  asio::any_io_executor executor;
  std::shared_ptr<LinkLog> log = std::make_shared<LinkLog>();
  TestServer server;
  std::unique_ptr<WebSocket> socket;
};

/// Runs a scenario on such a pair; the server is drained after it.
void run_linked(std::function<asio::awaitable<void>(Linked&)> scenario,
                http::WebSocketLimits server_limits = {}, http::WebSocketLimits client_limits = {}) {
  test::run([&]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    Linked linked(executor, server_limits);
    auto options = connect_options(linked.server);
    options.limits = client_limits;
    auto socket = co_await http::connect_websocket(executor, std::move(options));
    REQUIRE(socket.has_value());
    linked.socket = std::move(*socket);
    co_await scenario(linked);
    co_await linked.server->drain(1s);
  });
}

}  // namespace

TEST_CASE("messages of every size come back whole") {
  run_linked([](Linked& linked) -> asio::awaitable<void> {
    for (std::size_t const size : {0UL, 1UL, 125UL, 126UL, 65'536UL, 10'000'000UL}) {
      INFO(size);
      std::string const data(size, 'x');
      auto message = binary(data);
      auto const sent = co_await linked.socket->send(std::move(message));
      REQUIRE(sent.has_value());
      auto const back = co_await linked.socket->receive();
      REQUIRE(back.has_value());
      CHECK(back->binary);
      CHECK((back->data == data));
    }
    co_await linked.socket->close("done");
    co_await sleep_for(50ms);
    CHECK(linked.log->ended == 1);
    REQUIRE(linked.log->last_error.has_value());
    CHECK(linked.log->last_error->kind == ErrorKind::Unavailable);
    CHECK(linked.log->last_error->message.find("done") != std::string::npos);
  });
}

TEST_CASE("several senders share a connection and each message arrives once, whole") {
  run_linked([](Linked& linked) -> asio::awaitable<void> {
    TaskGroup tasks(linked.executor, nullptr);
    int failures = 0;
    for (char c = 'a'; c < 'k'; ++c) {
      auto send_one = [&linked, &failures, c]() -> asio::awaitable<void> {
        auto message = binary(std::string(200'000, c));
        auto const sent = co_await linked.socket->send(std::move(message));
        if (!sent) ++failures;
      };
      tasks.spawn("send", send_one);
    }
    std::string seen;
    for (int i = 0; i < 10; ++i) {
      auto const back = co_await linked.socket->receive();
      REQUIRE(back.has_value());
      REQUIRE(back->data.size() == 200'000);
      CHECK(back->data.find_first_not_of(back->data[0]) == std::string::npos);
      seen += back->data[0];
    }
    CHECK(seen == "abcdefghij");
    CHECK(failures == 0);
    co_await tasks.stop();
    linked.socket->abort();
  });
}

TEST_CASE("an upgrade without leave is refused with its status") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto const log = std::make_shared<LinkLog>();
    TestServer server(executor, test::quick_options(), echo_route(log));
    auto wrong = connect_options(server, "wrong");
    auto const refused = co_await http::connect_websocket(executor, std::move(wrong));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorKind::Unauthorized);
    CHECK(refused.error().http_status == 401);
    auto lost = connect_options(server);
    lost.url.target = "/elsewhere";
    auto const missing = co_await http::connect_websocket(executor, std::move(lost));
    CHECK(missing.error().http_status == 404);
    CHECK(log->opened == 0);
    co_await server->drain(1s);
  });
}

TEST_CASE("a peer that goes silent is noticed in time and a quiet living one is kept") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto const log = std::make_shared<LinkLog>();
    http::WebSocketLimits limits;
    limits.dead_after = 1000ms;  // Beast's own clock has whole steps of about half of it
    TestServer server(executor, test::quick_options(), echo_route(log, limits));
    // A raw client upgrades and then answers no ping.
    auto dead = co_await RawClient::connect(server->port());
    co_await dead.send(
        "GET /link HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: "
        "websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer secret\r\n\r\n");
    auto const upgraded = co_await dead.read_until("\r\n\r\n");
    CHECK(upgraded.find("101") != std::string::npos);
    // A living one says nothing either, but its receive() answers pings.
    auto options = connect_options(server);
    auto living = co_await http::connect_websocket(executor, std::move(options));
    REQUIRE(living.has_value());
    TaskGroup tasks(executor, nullptr);
    bool living_failed = false;
    auto listen = [&]() -> asio::awaitable<void> {
      auto const got = co_await (*living)->receive();
      living_failed = !got;
    };
    tasks.spawn("listen", listen);
    co_await sleep_for(2500ms);
    CHECK(log->opened == 2);
    CHECK(log->ended == 1);
    REQUIRE(log->last_error.has_value());
    CHECK(log->last_error->kind == ErrorKind::Timeout);
    CHECK_FALSE(living_failed);
    co_await tasks.stop();
    (*living)->abort();
    dead.close();
    co_await server->drain(1s);
  });
}

TEST_CASE("a message over the limit ends the connection with an error") {
  http::WebSocketLimits limits;
  limits.max_message = 1000;
  auto const scenario = [](Linked& linked) -> asio::awaitable<void> {
    auto message = binary(std::string(1001, 'x'));
    auto const sent = co_await linked.socket->send(std::move(message));
    static_cast<void>(sent);
    auto const back = co_await linked.socket->receive();
    CHECK_FALSE(back.has_value());
    REQUIRE(linked.log->last_error.has_value());
    CHECK(linked.log->last_error->kind == ErrorKind::Protocol);
  };
  run_linked(scenario, limits);
}

TEST_CASE("more bytes than the send queue holds are refused") {
  http::WebSocketLimits limits;
  limits.max_queued = 1000;
  auto const scenario = [](Linked& linked) -> asio::awaitable<void> {
    auto message = binary(std::string(1001, 'x'));
    auto const sent = co_await linked.socket->send(std::move(message));
    REQUIRE_FALSE(sent.has_value());
    CHECK(sent.error().kind == ErrorKind::TooMany);
    auto small = binary("x");
    auto const outcome1 = co_await linked.socket->send(std::move(small));
    CHECK(outcome1.has_value());
    linked.socket->abort();
  };
  run_linked(scenario, {}, limits);
}

TEST_CASE("a lost connection fails both sides at once") {
  run_linked([](Linked& linked) -> asio::awaitable<void> {
    co_await sleep_for(20ms);
    linked.socket->abort();
    auto const after = co_await linked.socket->receive();
    CHECK(after.error().kind == ErrorKind::Canceled);
    auto message = binary("x");
    auto const outcome2 = co_await linked.socket->send(std::move(message));
    CHECK_FALSE(outcome2.has_value());
    co_await sleep_for(50ms);
    CHECK(linked.log->ended == 1);
    CHECK(linked.log->last_error->kind == ErrorKind::Unavailable);
  });
}

TEST_CASE("draining cancels a link that stays after the grace") {
  run_linked([](Linked& linked) -> asio::awaitable<void> {
    co_await linked.server->drain(50ms);
    CHECK(linked.log->opened == 1);
    CHECK(linked.server->connections() == 0);
    auto const outcome3 = co_await linked.socket->receive();
    CHECK_FALSE(outcome3.has_value());
  });
}
