// Handshakes of a server under TLS, in their turns.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <catch2/catch.hpp>
#include <memory>

#include "runtime/http/handshake.hpp"
#include "runtime/http/handshake_queue.hpp"
#include "runtime/http/transport.hpp"
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

// A connection whose handshake a test runs by itself.
struct Accepted {
  Identity identity = make_identity("server", "IP:127.0.0.1", nullptr);
  std::shared_ptr<http::ServerTls> tls =
      http::ServerTls::make({identity.certificate_pem(), identity.key_pem(), {}}).value();
  std::unique_ptr<http::Transport> transport;
  std::optional<test::RawClient> client;
  std::optional<http::Transport::FailedHandshake> failed;
  std::exception_ptr thrown;
  bool ended = false;

  asio::awaitable<void> connect() {
    asio::ip::tcp::endpoint const endpoint(asio::ip::address_v4::loopback(), 0);
    asio::ip::tcp::acceptor acceptor(co_await asio::this_coro::executor, endpoint);
    client.emplace(co_await test::RawClient::connect(acceptor.local_endpoint().port()));
    http::TlsStream stream(co_await acceptor.async_accept(asio::use_awaitable), *tls->context());
    transport = std::make_unique<http::Transport>(http::AnyStream(std::move(stream)));
  }
  // `cancel` takes the coroutine's life, as its server's end does.
  void begin(asio::any_io_executor executor, std::shared_ptr<http::HandshakeQueue> queue,
             asio::cancellation_slot cancel = {}) {
    auto const deadline = std::chrono::steady_clock::now() + 5s;
    asio::co_spawn(
        executor, transport->accept_handshake(std::move(queue), "client", deadline),
        asio::bind_cancellation_slot(cancel, [this](std::exception_ptr exception,
                                                    std::optional<http::Transport::FailedHandshake> result) {
          thrown = exception;
          failed = std::move(result);
          ended = true;
        }));
  }
  // Its first bytes wait for their turn behind another handshake, whose turn has just ended.
  asio::awaitable<void> wait_behind_another(std::shared_ptr<http::HandshakeQueue> queue,
                                            asio::cancellation_slot cancel = {}) {
    co_await connect();
    http::HandshakeQueue::Place place(queue, "another");
    auto const turn = co_await place.turn(false);
    REQUIRE(turn);
    begin(co_await asio::this_coro::executor, queue, cancel);
    co_await client->send("\x16\x03\x01\x02");
    co_await until_waiting(*queue, 1);
  }
  asio::awaitable<void> until_ended() {
    for (int i = 0; i < 2000 && !ended; ++i) co_await sleep_for(5ms);
    REQUIRE(ended);
  }
};

}  // namespace

TEST_CASE("a place that is cancelled has no turn, also where it was called just before or is just after") {
  bool const called_before = GENERATE(true, false);
  CAPTURE(called_before);
  test::run([called_before]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto const queue = std::make_shared<http::HandshakeQueue>(executor, http::HandshakeLimits{0.9, 10s, 5s});
    http::HandshakeQueue::Place first(queue, "first");
    auto turn = co_await first.turn(false);
    REQUIRE(turn);
    http::HandshakeQueue::Place place(queue, "another");
    bool ended = false;
    asio::co_spawn(
        executor,
        [&]() -> asio::awaitable<void> {
          auto const none = co_await place.turn(false);
          CHECK_FALSE(none);
          ended = true;
        },
        asio::detached);
    co_await until_waiting(*queue, 1);
    turn.reset();  // the next one is called in the loop's next round, and runs in the one after it
    if (called_before) {
      asio::post(executor, [&] { place.cancel(); });
    } else {
      place.cancel();
    }
    co_await until_waiting(*queue, 0);
    for (int i = 0; i < 400 && !ended; ++i) co_await sleep_for(5ms);
    REQUIRE(ended);
    auto const again = co_await place.turn(true);
    CHECK_FALSE(again);
    CHECK(queue->waiting() == 0);
    // Nobody else's turn is lost.
    http::HandshakeQueue::Place next(queue, "next");
    auto const its = co_await next.turn(false);
    CHECK(its);
  });
}

TEST_CASE("a handshake that is cancelled as its turn comes does not go on") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto const queue = std::make_shared<http::HandshakeQueue>(executor);
    Accepted accepted;
    co_await accepted.wait_behind_another(queue);
    accepted.transport->cancel_read();  // as its deadline does
    co_await accepted.until_ended();
    REQUIRE(accepted.failed);
    CHECK(accepted.failed->fault == http::HandshakeFault::Crowded);  // and not its deadline, seconds later
  });
}

TEST_CASE("a handshake that is cancelled as its first bytes come does not begin") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto const queue = std::make_shared<http::HandshakeQueue>(executor);
    Accepted accepted;
    co_await accepted.connect();
    // Who waited first for the same bytes runs first.
    accepted.transport->socket().async_wait(
        asio::ip::tcp::socket::wait_read,
        [&](boost::system::error_code const&) { accepted.transport->cancel_read(); });
    accepted.begin(executor, queue);
    co_await sleep_for(1ms);  // so that it waits too
    co_await accepted.client->send("\x16\x03\x01\x02");
    co_await accepted.until_ended();
    REQUIRE(accepted.failed);
    CHECK(accepted.failed->fault == http::HandshakeFault::Crowded);
    CHECK(queue->spent() == 0ns);
  });
}

// Without the address sanitizer nothing shows that a place is used after its end.
TEST_CASE("a connection whose handshake ends by an exception can be cancelled and closed") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto const queue = std::make_shared<http::HandshakeQueue>(executor);
    Accepted accepted;
    asio::cancellation_signal signal;
    co_await accepted.wait_behind_another(queue, signal.slot());
    // After the call, so that nothing is left to cancel but the next wait, which throws.
    asio::post(executor, [&] { signal.emit(asio::cancellation_type::terminal); });
    co_await accepted.until_ended();
    CHECK(accepted.thrown);
    accepted.transport->cancel_read();
    accepted.transport->close();
  });
}

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
    // The last ones have taken the places of two others.
    int losers = 0;
    for (auto& one : clients) {
      asio::co_spawn(
          executor,
          [&]() -> asio::awaitable<void> {
            co_await one.read_to_end();
            ++losers;
          },
          asio::detached);
    }
    for (int i = 0; i < 400 && losers != 2; ++i) co_await sleep_for(5ms);
    CHECK(losers == 2);
    co_await until_waiting(*secured.queue, 2);
    CHECK(server->connections() == 2);
    CHECK(secured.faults.empty());
    for (auto& one : clients) one.close();
    turn.reset();
    auto const spent = secured.queue->spent();
    co_await until_waiting(*secured.queue, 0);
    for (int i = 0; i < 400 && server->connections() != 0; ++i) co_await sleep_for(5ms);
    CHECK(server->connections() == 0);
    // Each of the two has had its turn, in which it was found to have left: that is counted, the wait is not.
    auto const looks = secured.queue->spent() - spent;
    CHECK(looks > 0ns);
    CHECK(looks < 1s);
    CHECK(secured.faults == std::vector{http::HandshakeFault::Closed, http::HandshakeFault::Closed});
    co_await server->drain(1s);
  });
}
