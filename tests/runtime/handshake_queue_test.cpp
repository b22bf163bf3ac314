// Handshakes of a server under TLS, in their turns.
#include <boost/asio/detached.hpp>
#include <catch2/catch.hpp>
#include <memory>

#include "runtime/http/handshake.hpp"
#include "runtime/http/handshake_queue.hpp"
#include "tests/runtime/identity.hpp"
#include "tests/runtime/loop.hpp"
#include "tests/runtime/raw_client.hpp"
#include "tests/runtime/server_fixture.hpp"

using namespace ei;
using namespace std::chrono_literals;
using test::Identity;
using test::make_identity;
using test::TestServer;

namespace {

// A server whose handshakes share `queue`, and the faults that it tells.
struct Secured {
  Identity identity = make_identity("server", "IP:127.0.0.1", nullptr);
  std::shared_ptr<http::HandshakeQueue> queue;
  std::vector<http::HandshakeFault> faults;

  http::ServerOptions options(asio::any_io_executor executor, http::HandshakeLimits limits) {
    queue = std::make_shared<http::HandshakeQueue>(executor, limits);
    auto out = test::quick_options();
    out.header_timeout = 5s;
    out.idle_timeout = 10s;
    out.tls = http::ServerTls::make({identity.certificate_pem(), identity.key_pem(), {}}).value();
    out.handshakes = queue;
    out.on_handshake_failed = [this](http::HandshakeFault fault) { faults.push_back(fault); };
    return out;
  }
  [[nodiscard]] http::TlsClientOptions trust() const {
    http::TlsClientOptions tls;
    tls.ca_pem = identity.certificate_pem();
    return tls;
  }
};

asio::awaitable<void> until_waiting(http::HandshakeQueue const& queue, std::size_t count) {
  for (int i = 0; i < 400 && queue.waiting() != count; ++i) co_await sleep_for(5ms);
  CHECK(queue.waiting() == count);
}

}  // namespace

TEST_CASE("while handshakes wait for their share, who is connected is served") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    Secured secured;
    // One handshake is paid for by some hours.
    TestServer server(executor, secured.options(executor, {1e-8, 0ns, 300ms}));
    http::Client client(executor, server.url("https"), secured.trust());
    auto const first = co_await test::get(client, "/echo");
    REQUIRE_FALSE(first.has_value());  // of the two steps of a handshake the share pays one
    CHECK(secured.faults == std::vector{http::HandshakeFault::Crowded});
    co_await server->drain(1s);
  });
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    Secured secured;
    TestServer server(executor, secured.options(executor, {0.9, 10s, 300ms}));
    http::Client known(executor, server.url("https"), secured.trust());
    auto const first = co_await test::get(known, "/echo");
    REQUIRE(first.has_value());
    // Somebody has the turn for longer than anybody waits.
    http::HandshakeQueue::Place place(secured.queue, "another");
    auto turn = co_await place.turn(false);
    REQUIRE(turn);
    asio::co_spawn(
        executor,
        [&]() -> asio::awaitable<void> {
          http::Client late(executor, server.url("https"), secured.trust());
          auto const answer = co_await test::get(late, "/echo");
          CHECK_FALSE(answer.has_value());
        },
        asio::detached);
    co_await until_waiting(*secured.queue, 1);
    for (int i = 0; i < 3; ++i) {
      auto const answer = co_await test::get(known, "/echo");
      CHECK(answer.has_value());
    }
    CHECK(secured.faults.empty());
    co_await until_waiting(*secured.queue, 0);
    turn.reset();
    CHECK(secured.faults == std::vector{http::HandshakeFault::Crowded});
    http::Client next(executor, server.url("https"), secured.trust());
    auto const answer = co_await test::get(next, "/echo");
    CHECK(answer.has_value());
    co_await server->drain(1s);
  });
}

TEST_CASE("clients that do not go on with their handshake hold nobody's turn") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    Secured secured;
    TestServer server(executor, secured.options(executor, {}));
    std::vector<test::RawClient> half_open;
    for (std::string const begin :
         {"", "\x16", "\x16\x03\x01", "\x16\x03\x01\x02", "\x16\x03\x01\x02\x10\x01\x01"}) {
      half_open.push_back(co_await test::RawClient::connect(server->port()));
      co_await half_open.back().send(begin);
    }
    co_await sleep_for(20ms);
    http::Client client(executor, server.url("https"), secured.trust());
    auto const answer = co_await test::get(client, "/echo");
    CHECK(answer.has_value());
    CHECK(secured.queue->waiting() == 0);
    CHECK(secured.queue->spent() > 0ns);
    for (auto& one : half_open) one.close();
    co_await server->drain(1s);
  });
}

TEST_CASE("who leaves, or loses its place to another, leaves the line") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    Secured secured;
    auto options = secured.options(executor, {0.9, 10s, 10s});
    options.max_connections = 2;
    TestServer server(executor, options);
    http::HandshakeQueue::Place place(secured.queue, "another");
    auto turn = co_await place.turn(false);
    REQUIRE(turn);
    std::vector<test::RawClient> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(co_await test::RawClient::connect(server->port()));
      co_await clients.back().send("\x16\x03\x01\x02");
    }
    co_await sleep_for(100ms);  // until the last has taken the first one's place
    co_await until_waiting(*secured.queue, 2);
    CHECK(server->connections() == 2);
    auto const spent = secured.queue->spent();
    for (auto& one : clients) one.close();
    turn.reset();
    co_await until_waiting(*secured.queue, 0);
    co_await sleep_for(50ms);
    CHECK(server->connections() == 0);
    CHECK(secured.queue->spent() > spent);
    for (auto const fault : secured.faults) CHECK(fault == http::HandshakeFault::Closed);
    co_await server->drain(1s);
  });
}
