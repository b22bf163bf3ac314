// What one server gives all its clients together, and who gets it when it is short.
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <memory>

#include "tests/runtime/loop.hpp"
#include "tests/runtime/raw_client.hpp"
#include "tests/runtime/server_fixture.hpp"

using namespace ei;
using namespace std::chrono_literals;
using test::RawClient;
using test::status_of;
using test::tcp;
using test::TestServer;

namespace {

// Longer than a connection must have been slow to give way.
constexpr milliseconds kSettled{1'100};

// More than the system takes for a client that does not read.
constexpr std::size_t kLarge = 16 << 20;

http::ServerOptions patient_options() {
  auto options = test::quick_options();
  options.header_timeout = 1min;
  options.body_timeout = 1min;
  options.idle_timeout = 1min;
  return options;
}

std::string post(std::string const& path, std::size_t length) {
  return "POST " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
}

asio::awaitable<bool> comes(std::function<bool()> what) {
  for (auto const end = std::chrono::steady_clock::now() + 30s; std::chrono::steady_clock::now() < end;) {
    if (what()) co_return true;
    co_await sleep_for(10ms);
  }
  co_return false;
}

asio::awaitable<std::string> ask(RawClient& client) {
  co_await client.send("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  co_return co_await client.read_to_end();
}

// What a program that is started now would find open, the sockets among it.
std::size_t inherited_sockets() {
  std::unique_ptr<FILE, int (*)(FILE*)> const pipe(::popen("ls -l /proc/self/fd", "r"), ::pclose);
  std::string listed;
  std::array<char, 4096> piece{};
  while (auto const got = std::fread(piece.data(), 1, piece.size(), pipe.get()))
    listed.append(piece.data(), got);
  REQUIRE(listed.find("/proc/") != std::string::npos);
  std::size_t count = 0;
  for (auto at = listed.find("socket:"); at != std::string::npos; at = listed.find("socket:", at + 1))
    ++count;
  return count;
}

}  // namespace

TEST_CASE("empty lines between requests are skipped") {
  test::run([]() -> asio::awaitable<void> {
    TestServer server(co_await asio::this_coro::executor, test::quick_options());
    auto client = co_await RawClient::connect(server->port());
    co_await client.send(post("/echo", 3) + "one\r\n" + post("/echo", 3) + "two\r\n\r\n");
    auto const first = co_await client.read_until("POST /echo one");
    CHECK(status_of(first) == 200);
    auto const second = co_await client.read_until("POST /echo two");
    CHECK(status_of(second) == 200);
    // They do not begin a request: the connection is idle, not late with a header.
    auto const end = co_await client.read_to_end();
    CHECK(end.empty());
    co_await server->drain(1s);
  });
}

TEST_CASE("a full server answers a newcomer and closes who trickles") {
  test::run([]() -> asio::awaitable<void> {
    auto options = patient_options();
    options.max_connections = 5;
    TestServer server(co_await asio::this_coro::executor, options);
    std::vector<RawClient> tricklers;
    std::vector<std::string> const begins{"G", "GET /echo HTTP/1.1\r\nHo", post("/echo", 100) + "x", ""};
    for (std::string const& begin : begins) {
      tricklers.push_back(co_await RawClient::connect(server->port()));
      co_await tricklers.back().send(begin);
    }
    auto busy = co_await RawClient::connect(server->port());
    co_await busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    co_await sleep_for(kSettled);
    for (std::size_t i = 0; i < 20; ++i) {
      auto newcomer = co_await RawClient::connect(server->port());
      auto const answer = co_await ask(newcomer);
      CHECK(status_of(answer) == 200);
      for (auto& trickler : tricklers) co_await trickler.send("x");
    }
    auto const served = co_await busy.read_until("slow");
    CHECK(status_of(served) == 200);
    std::size_t told = 0;
    for (auto const& event : server.seen().completed) told += event.status == 408 ? 1 : 0;
    CHECK(told >= 1);
    for (auto& trickler : tricklers) trickler.close();
    busy.close();
    co_await server->drain(1s);
  });
}

TEST_CASE("a client that trickles its body gets 408, whatever time it has in all") {
  test::run([]() -> asio::awaitable<void> {
    auto options = patient_options();
    options.min_rate_grace = 100ms;
    options.min_rate = 1000;
    TestServer server(co_await asio::this_coro::executor, options);
    auto client = co_await RawClient::connect(server->port());
    co_await client.send(post("/echo", 1000) + std::string(50, 'x'));
    auto const answer = co_await client.read_to_end();
    CHECK(status_of(answer) == 408);
    client.close();
    co_await server->drain(1s);
  });
}

TEST_CASE("a client that does not take its answer is given up, whatever time it has in all") {
  test::run([]() -> asio::awaitable<void> {
    auto options = patient_options();
    options.write_timeout = 1min;
    options.min_rate_grace = 200ms;
    TestServer server(co_await asio::this_coro::executor, options);
    for (std::string const& ask : {post("/large", kLarge) + std::string(kLarge, 'x'),
                                   std::string("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n")}) {
      auto const before = server.seen().completed.size();
      auto client = co_await RawClient::connect(server->port());
      co_await client.send(ask);
      bool const given_up = co_await comes([&] { return server.seen().completed.size() > before; });
      REQUIRE(given_up);
      CHECK(server.seen().completed.back().status == 499);
      auto const got = co_await client.read_to_end();
      CHECK(got.size() < kLarge);
      client.close();
    }
    co_await server->drain(1s);
  });
}

TEST_CASE("a client that takes its answer slowly, but at the least rate, gets all of it") {
  test::run([]() -> asio::awaitable<void> {
    auto options = patient_options();
    options.write_timeout = 1min;
    options.min_rate_grace = 400ms;
    TestServer server(co_await asio::this_coro::executor, options);
    auto client = co_await RawClient::connect(server->port());
    co_await client.send(post("/large", kLarge) + std::string(kLarge, 'x'));
    std::string got;
    while (got.find("\r\n\r\n") == std::string::npos || got.size() < kLarge) {
      auto const piece = co_await client.read_some(256 * 1024);
      if (piece.empty()) break;
      got += piece;
      co_await sleep_for(30ms);
    }
    CHECK(status_of(got) == 200);
    CHECK(got.size() > kLarge);
    client.close();
    co_await server->drain(1s);
  });
}

TEST_CASE("answers that nobody takes are bounded, and the slowest reader is the first to go") {
  test::run([]() -> asio::awaitable<void> {
    auto options = patient_options();
    options.write_timeout = 1min;
    options.min_rate_grace = 1min;
    options.max_answer_bytes = kLarge + kLarge / 2;
    TestServer server(co_await asio::this_coro::executor, options);
    auto const large = post("/large", kLarge) + std::string(kLarge, 'x');
    auto stuck = co_await RawClient::connect(server->port());
    co_await stuck.send(large);
    co_await sleep_for(kSettled);
    auto reader = co_await RawClient::connect(server->port());
    co_await reader.send(large);
    bool const given_up = co_await comes([&] { return !server.seen().completed.empty(); });
    REQUIRE(given_up);
    CHECK(server.seen().completed.back().status == 499);
    auto small = co_await RawClient::connect(server->port());
    auto const answer = co_await ask(small);
    CHECK(status_of(answer) == 200);
    std::string got;
    while (got.size() < kLarge) {
      auto const piece = co_await reader.read_some(1 << 20);
      if (piece.empty()) break;
      got += piece;
    }
    CHECK(got.size() >= kLarge);
    auto const rest = co_await stuck.read_to_end();
    CHECK(rest.size() < kLarge);
    stuck.close();
    reader.close();
    co_await server->drain(1s);
  });
}

TEST_CASE("bodies count against their budget from the header on, and as long as their handler has them") {
  test::run([]() -> asio::awaitable<void> {
    auto options = patient_options();
    options.max_body_bytes = 3000;
    TestServer server(co_await asio::this_coro::executor, options);
    auto holder = co_await RawClient::connect(server->port());
    co_await holder.send(post("/large", 2500) + "x");
    co_await sleep_for(50ms);
    auto refused = co_await RawClient::connect(server->port());
    co_await refused.send(post("/large", 600));
    auto const busy = co_await refused.read_to_end();
    CHECK(status_of(busy) == 429);
    CHECK(busy.find("Retry-After: 1\r\n") != std::string::npos);
    auto small = co_await RawClient::connect(server->port());
    co_await small.send(post("/large", 400) + std::string(400, 'x'));
    auto const fits = co_await small.read_until("POST /large");
    CHECK(status_of(fits) == 200);
    co_await holder.send(std::string(2499, 'x'));
    auto const held = co_await holder.read_until("POST /large");
    CHECK(status_of(held) == 200);
    auto after = co_await RawClient::connect(server->port());
    co_await after.send(post("/large", 3000) + std::string(3000, 'x'));
    auto const free = co_await after.read_until("POST /large");
    CHECK(status_of(free) == 200);
    auto huge = co_await RawClient::connect(server->port());
    co_await huge.send(post("/large", 3001));
    auto const never = co_await huge.read_to_end();
    CHECK(status_of(never) == 413);
    for (auto* client : {&holder, &refused, &small, &after, &huge}) client->close();
    co_await server->drain(1s);
  });
}

TEST_CASE("a body in chunks counts as it arrives") {
  test::run([]() -> asio::awaitable<void> {
    auto options = patient_options();
    options.max_body_bytes = 3000;
    TestServer server(co_await asio::this_coro::executor, options);
    auto client = co_await RawClient::connect(server->port());
    co_await client.send("POST /large HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 4; ++i) co_await client.send("200\r\n" + std::string(512, 'x') + "\r\n");
    auto const answer = co_await client.read_to_end();
    CHECK((status_of(answer) == 413 || status_of(answer) == 429));
    client.close();
    co_await server->drain(3s);
  });
}

TEST_CASE("a body that does not come gives its room to one that does") {
  test::run([]() -> asio::awaitable<void> {
    auto options = patient_options();
    options.max_body_bytes = 3000;
    options.min_rate = 0;
    TestServer server(co_await asio::this_coro::executor, options);
    auto holder = co_await RawClient::connect(server->port());
    co_await holder.send(post("/large", 3000) + "x");
    co_await sleep_for(kSettled);
    auto other = co_await RawClient::connect(server->port());
    co_await other.send(post("/large", 2000) + std::string(2000, 'x'));
    auto const answer = co_await other.read_until("POST /large");
    CHECK(status_of(answer) == 200);
    auto const gone = co_await holder.read_to_end();
    CHECK(status_of(gone) == 408);
    holder.close();
    other.close();
    co_await server->drain(1s);
  });
}

TEST_CASE("one address has a share of the connections, and the others theirs") {
  test::run([]() -> asio::awaitable<void> {
    auto options = patient_options();
    options.max_connections = 10;
    options.max_connections_per_address = 2;
    TestServer server(co_await asio::this_coro::executor, options);
    std::vector<RawClient> busy;
    for (int i = 0; i < 2; ++i) {
      busy.push_back(co_await RawClient::connect(server->port()));
      co_await busy.back().send("GET /forever HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    co_await sleep_for(50ms);
    auto third = co_await RawClient::connect(server->port());
    auto const refused = co_await third.read_to_end();
    CHECK(status_of(refused) == 503);
    CHECK(refused.find("Retry-After: 1\r\n") != std::string::npos);
    auto other = co_await RawClient::connect(server->port(), "127.0.0.2");
    auto const answer = co_await ask(other);
    CHECK(status_of(answer) == 200);
    busy.back().close();
    co_await sleep_for(50ms);
    auto fourth = co_await RawClient::connect(server->port());
    auto const again = co_await ask(fourth);
    CHECK(status_of(again) == 200);
    busy.front().close();
    co_await server->drain(1s);
  });
}

TEST_CASE("programs that are started inherit no connection") {
  test::run([]() -> asio::awaitable<void> {
    auto const before = inherited_sockets();
    auto const executor = co_await asio::this_coro::executor;
    TestServer server(executor, patient_options());
    http::Client client(executor, server.url());
    auto const answer = co_await test::get(client, "/echo");
    CHECK(answer->status == 200);
    CHECK(server->connections() == 1);
    CHECK(inherited_sockets() == before);
    co_await server->drain(1s);
  });
}
