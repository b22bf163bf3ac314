#include <catch2/catch.hpp>

#include "runtime/core/json.hpp"
#include "runtime/log/log.hpp"
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

// Sends `bytes`, reads to the end, drains the server: what most tests of a refusal do.
asio::awaitable<std::string> talk(std::string bytes) {
  TestServer server(co_await asio::this_coro::executor, test::quick_options());
  auto client = co_await RawClient::connect(server->port());
  co_await client.send(std::move(bytes));
  std::string const answer = co_await client.read_to_end();
  client.close();
  co_await server->drain(1s);
  co_return answer;
}

struct Quiet {
  std::string lines;
  Quiet() {
    log::set_sink([this](std::string_view line) { lines += line; });
  }
  ~Quiet() { log::set_sink({}); }
};

}  // namespace

TEST_CASE("a kept connection serves one request after the other") {
  test::run([]() -> asio::awaitable<void> {
    TestServer server(co_await asio::this_coro::executor, test::quick_options());
    auto client = co_await RawClient::connect(server->port());
    for (int i = 0; i < 3; ++i) {
      co_await client.send("GET /items/" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n");
      auto const head = co_await client.read_until("\r\n\r\n");
      CHECK(status_of(head) == 200);
      CHECK(head.find("Connection: keep-alive") != std::string::npos);
      auto const outcome1 = co_await client.read_until(std::to_string(i));
      CHECK(outcome1 == std::to_string(i));
    }
    CHECK(server->connections() == 1);
    co_await server->drain(1s);
    CHECK(server->connections() == 0);
    REQUIRE(server.seen().completed.size() == 3);
    CHECK(server.seen().completed.front().pattern == "/items/{id}");
  });
}

TEST_CASE("pipelined requests are answered in their order") {
  test::run([]() -> asio::awaitable<void> {
    std::string const get = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n";
    std::string const last =
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nend";
    auto const answer = co_await talk(get + last);
    auto const first = answer.find("slow");
    auto const second = answer.find("POST /echo end");
    REQUIRE(first != std::string::npos);
    REQUIRE(second != std::string::npos);
    CHECK(first < second);
  });
}

TEST_CASE("HEAD is answered like GET without the body") {
  test::run([]() -> asio::awaitable<void> {
    auto const answer = co_await talk("HEAD /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK(status_of(answer) == 200);
    CHECK(answer.find("Content-Length: 11\r\n") != std::string::npos);
    CHECK(answer.ends_with("\r\n\r\n"));
  });
}

TEST_CASE("what the server refuses by itself is a problem document with the right status") {
  struct Row {
    std::string wire;
    int status;
    std::string why;
  };
  for (Row const& row :
       {Row{"nonsense\r\n\r\n", 400, "malformed"},
        Row{"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404, "no route"},
        Row{"DELETE /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405, "other methods exist"},
        Row{"GET /echo HTTP/1.1\r\nHo", 408, "the header stalls"},
        Row{"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", 408, "the body stalls"},
        Row{"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413, "announced too large"},
        Row{"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n", 413,
            "chunk too large"},
        Row{"GET /echo HTTP/1.1\r\nHost: a\r\nX: " + std::string(17'000, 'x') + "\r\n\r\n", 431,
            "header too large"},
        Row{"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 1\r\n\r\nx", 417,
            "unknown expectation"},
        Row{"GET /echo HTTP/3.0\r\nHost: a\r\n\r\n", 505, "version"}}) {
    INFO(row.why);
    std::string answer;
    test::run([&]() -> asio::awaitable<void> { answer = co_await talk(row.wire); });
    CHECK(status_of(answer) == row.status);
    CHECK(answer.find("application/problem+json") != std::string::npos);
    CHECK(answer.find("Connection: close") != std::string::npos);
    auto const body = parse_json(answer.substr(answer.find("\r\n\r\n") + 4));
    REQUIRE(body.has_value());
    CHECK(find_member(*body, "status")->as_int64() == row.status);
    if (row.status == 405) CHECK(answer.find("Allow: GET, HEAD, POST\r\n") != std::string::npos);
  }
}

TEST_CASE("a client that sends on after its body was refused still reads the answer") {
  test::run([]() -> asio::awaitable<void> {
    TestServer server(co_await asio::this_coro::executor, test::quick_options());
    auto client = co_await RawClient::connect(server->port());
    co_await client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n");
    co_await client.send(std::string(5'000'000, 'x'));
    auto const answer = co_await client.read_to_end();
    CHECK(status_of(answer) == 413);
    co_await server->drain(3s);
  });
}

TEST_CASE("Expect: 100-continue is answered before the body and only when the body is wanted") {
  test::run([]() -> asio::awaitable<void> {
    TestServer server(co_await asio::this_coro::executor, test::quick_options());
    auto client = co_await RawClient::connect(server->port());
    co_await client.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: "
        "close\r\n\r\n");
    auto const leave = co_await client.read_until("\r\n\r\n");
    CHECK(leave == "HTTP/1.1 100 Continue\r\n\r\n");
    co_await client.send("hi");
    auto const answer = co_await client.read_to_end();
    CHECK(status_of(answer) == 200);
    CHECK(answer.ends_with("POST /echo hi"));
    auto other = co_await RawClient::connect(server->port());
    co_await other.send(
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n");
    auto const refusal = co_await other.read_to_end();
    CHECK(status_of(refusal) == 413);
    other.close();
    client.close();
    co_await server->drain(1s);
  });
}

TEST_CASE("a body may be larger where its route says so") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto options = test::quick_options();
    options.body_timeout = 10s;
    TestServer server(executor, options);
    http::Client client(executor, server.url());
    auto const answer = co_await test::post(client, "/large", std::string(20'000'000, 'x'));
    REQUIRE(answer.has_value());
    CHECK(answer->status == 200);
    CHECK(answer->body.size() == 20'000'000 + std::string("POST /large ").size());
    co_await server->drain(1s);
  });
}

TEST_CASE("a client that leaves cancels the handler of its request and nothing is sent") {
  test::run([]() -> asio::awaitable<void> {
    TestServer server(co_await asio::this_coro::executor, test::quick_options());
    for (std::string const path : {"/forever", "/endless"}) {
      INFO(path);
      auto const before = server.seen().canceled;
      auto client = co_await RawClient::connect(server->port());
      co_await client.send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n");
      co_await sleep_for(50ms);
      client.close();
      co_await sleep_for(50ms);
      CHECK(server.seen().canceled == before + 1);
      REQUIRE_FALSE(server.seen().completed.empty());
      CHECK(server.seen().completed.back().status == 499);
      CHECK(server->connections() == 0);
    }
    co_await server->drain(1s);
  });
}

TEST_CASE("a client that only stops sending counts as gone while its answer is pending") {
  test::run([]() -> asio::awaitable<void> {
    TestServer server(co_await asio::this_coro::executor, test::quick_options());
    auto slow = co_await RawClient::connect(server->port());
    co_await slow.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    slow.finish_sending();
    auto const nothing = co_await slow.read_to_end();
    CHECK(nothing.empty());
    CHECK(server.seen().canceled == 1);
    auto quick = co_await RawClient::connect(server->port());
    co_await quick.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    quick.finish_sending();
    auto const answer = co_await quick.read_to_end();
    CHECK(status_of(answer) == 200);
    co_await server->drain(1s);
  });
}

TEST_CASE("a handler that throws is a 500 and a log line, and the connection goes on") {
  Quiet quiet;
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    TestServer server(executor, test::quick_options());
    http::Client client(executor, server.url());
    for (std::string const path : {"/fail", "/throws"}) {
      auto const broken = co_await test::get(client, path);
      REQUIRE(broken.has_value());
      CHECK(broken->status == 500);
      CHECK(broken->body.find("on purpose") == std::string::npos);
    }
    auto const good = co_await test::get(client, "/echo");
    CHECK(good->status == 200);
    CHECK(server->connections() == 1);
    co_await server->drain(1s);
  });
  CHECK(quiet.lines.find("broken on purpose") != std::string::npos);
}

TEST_CASE("an idle connection is closed after its time") {
  test::run([]() -> asio::awaitable<void> {
    TestServer server(co_await asio::this_coro::executor, test::quick_options());
    auto client = co_await RawClient::connect(server->port());
    auto const begin = std::chrono::steady_clock::now();
    auto const nothing = co_await client.read_to_end();
    CHECK(nothing.empty());
    auto const waited = std::chrono::steady_clock::now() - begin;
    CHECK(waited > 300ms);
    CHECK(waited < 3s);
    co_await server->drain(1s);
  });
}

TEST_CASE("over the connection cap an idle client makes room, a busy one does not") {
  test::run([]() -> asio::awaitable<void> {
    auto options = test::quick_options();
    options.max_connections = 1;
    options.idle_timeout = 10s;
    TestServer server(co_await asio::this_coro::executor, options);
    auto idle = co_await RawClient::connect(server->port());
    co_await sleep_for(20ms);
    auto busy = co_await RawClient::connect(server->port());
    co_await busy.send("GET /forever HTTP/1.1\r\nHost: a\r\n\r\n");
    auto const outcome2 = co_await idle.read_to_end();
    CHECK(outcome2 == "");
    co_await sleep_for(20ms);
    auto third = co_await RawClient::connect(server->port());
    auto const outcome3 = co_await third.read_to_end();
    CHECK(status_of(outcome3) == 503);
    busy.close();
    co_await sleep_for(20ms);
    auto fourth = co_await RawClient::connect(server->port());
    co_await fourth.send("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    auto const outcome4 = co_await fourth.read_to_end();
    CHECK(status_of(outcome4) == 200);
    fourth.close();
    co_await server->drain(1s);
  });
}

TEST_CASE("a streamed answer arrives piece by piece and keeps the connection") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    TestServer server(executor, test::quick_options());
    http::Client client(executor, server.url());
    for (int round = 0; round < 2; ++round) {
      http::Request request;
      request.target = "/stream";
      auto opened = co_await client.open(std::move(request), 1s);
      REQUIRE(opened.has_value());
      std::vector<std::string> pieces;
      for (;;) {
        auto piece = co_await (*opened)->read(1s);
        REQUIRE(piece.has_value());
        if (piece->empty()) break;
        pieces.push_back(*piece);
      }
      CHECK(pieces == std::vector<std::string>{"part0;", "part1;", "part2;"});
    }
    CHECK(server->connections() == 1);
    auto raw = co_await RawClient::connect(server->port());
    co_await raw.send("GET /stream HTTP/1.0\r\n\r\n");
    auto const old = co_await raw.read_to_end();
    CHECK(old.ends_with("\r\n\r\npart0;part1;part2;"));
    raw.close();
    co_await server->drain(1s);
  });
}
