#include <unistd.h>

#include <catch2/catch.hpp>

#include "runtime/http/listener.hpp"
#include "tests/runtime/loop.hpp"
#include "tests/runtime/raw_client.hpp"
#include "tests/runtime/server_fixture.hpp"

using namespace ei;
using namespace std::chrono_literals;
using test::RawClient;
using test::status_of;
using test::tcp;
using test::TestServer;

TEST_CASE("draining finishes what runs, closes what is idle and accepts nothing new") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto options = test::quick_options();
    options.idle_timeout = 10s;
    TestServer server(executor, options);
    auto idle = co_await RawClient::connect(server->port());
    auto busy = co_await RawClient::connect(server->port());
    co_await busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    co_await sleep_for(30ms);
    auto const port = server->port();
    std::string answer;
    auto read_answer = [&]() -> asio::awaitable<void> {
      answer = co_await busy.read_to_end();
      busy.close();
    };
    TaskGroup tasks(executor, nullptr);
    tasks.spawn("read", read_answer);
    co_await server->drain(5s);
    auto const outcome5 = co_await idle.read_to_end();
    CHECK(outcome5 == "");
    CHECK(status_of(answer) == 200);
    CHECK(answer.find("Connection: close") != std::string::npos);
    CHECK(server->connections() == 0);
    CHECK(server.seen().canceled == 0);
    bool refused = false;
    try {
      co_await RawClient::connect(port);
    } catch (boost::system::system_error const&) {
      refused = true;
    }
    CHECK(refused);
    co_await tasks.stop();
  });
}

TEST_CASE("who has connected before an inherited socket is given up is served, also by its last owner") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto owned = *http::open_listener(executor, "127.0.0.1", 0);
    auto const port = owned.local_endpoint().port();
    auto options = test::quick_options();
    options.descriptor = owned.release();
    TestServer server(executor, options);
    std::vector<tcp::socket> clients;
    for (int i = 0; i < 3; ++i) {
      // At once: the server has had no moment to accept.
      clients.emplace_back(executor).connect({asio::ip::address_v4::loopback(), port});
    }
    server->leave();
    for (auto& client : clients) {
      asio::write(client, asio::buffer(std::string("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")));
      std::string answer;
      auto buffer = asio::dynamic_buffer(answer);
      co_await asio::async_read(client, buffer, asio::as_tuple(asio::use_awaitable));
      CHECK(status_of(answer) == 200);
    }
    co_await server->drain(1s);
  });
}

TEST_CASE("whoever connects to an inherited socket waits from one server to the next") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto owned = *http::open_listener(executor, "127.0.0.1", 0);
    auto const port = owned.local_endpoint().port();
    auto options = test::quick_options();
    options.idle_timeout = 10s;
    options.descriptor = dup(owned.native_handle());
    auto first = std::make_unique<TestServer>(executor, options);
    CHECK((*first)->port() == port);
    auto kept = co_await RawClient::connect(port);
    co_await kept.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    co_await kept.read_until("GET /echo ");

    (*first)->leave();
    auto waiting = co_await RawClient::connect(port);
    co_await waiting.send("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    co_await kept.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    auto const last = co_await kept.read_to_end();
    CHECK(last.find("Connection: close") != std::string::npos);
    co_await (*first)->drain(1s);
    first.reset();

    options.descriptor = dup(owned.native_handle());
    TestServer second(executor, options);
    auto const answer = co_await waiting.read_to_end();
    CHECK(status_of(answer) == 200);
    co_await second->drain(1s);
  });
}

TEST_CASE("what still runs after the grace is cancelled") {
  test::run([]() -> asio::awaitable<void> {
    TestServer server(co_await asio::this_coro::executor, test::quick_options());
    auto client = co_await RawClient::connect(server->port());
    co_await client.send("GET /forever HTTP/1.1\r\nHost: a\r\n\r\n");
    co_await sleep_for(30ms);
    auto const begin = std::chrono::steady_clock::now();
    co_await server->drain(100ms);
    CHECK(std::chrono::steady_clock::now() - begin < 2s);
    CHECK(server.seen().canceled == 1);
    CHECK(server->connections() == 0);
    auto const outcome6 = co_await client.read_to_end();
    CHECK(outcome6 == "");
  });
}

TEST_CASE(
    "a taken port, an address that is none and a descriptor that does not listen are errors, not "
    "exceptions") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    TestServer server(executor, test::quick_options());
    http::ServerOptions options;
    options.address = "127.0.0.1";
    options.port = server->port();
    http::Server second(executor, options, {});
    CHECK(second.listen().error().kind == ErrorKind::Io);
    options.address = "localhost:1";
    http::Server third(executor, options, {});
    CHECK(third.listen().error().kind == ErrorKind::Invalid);
    options.descriptor = 0;
    http::Server fourth(executor, options, {});
    CHECK(fourth.listen().error().message == "descriptor 0 is no TCP socket that listens");
    co_await server->drain(1s);
  });
}
