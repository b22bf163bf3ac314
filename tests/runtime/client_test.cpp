#include <catch2/catch.hpp>

#include "runtime/http/resolve.hpp"
#include "tests/runtime/loop.hpp"
#include "tests/runtime/raw_client.hpp"
#include "tests/runtime/server_fixture.hpp"

using namespace ei;
using namespace std::chrono_literals;
using test::TestServer;
using tcp = boost::asio::ip::tcp;

namespace {

// Accepts connections and gives each the next of the scripted answers, byte for byte; then closes it.
asio::awaitable<void> scripted_server(tcp::acceptor& acceptor, std::vector<std::string> answers) {
  for (std::string const& answer : answers) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    std::string request(4096, '\0');
    co_await socket.async_read_some(asio::buffer(request), asio::as_tuple(asio::use_awaitable));
    co_await asio::async_write(socket, asio::buffer(answer), asio::as_tuple(asio::use_awaitable));
  }
}

http::Url url_of(tcp::acceptor const& acceptor) {
  http::Url url;
  url.host = "127.0.0.1";
  url.port = acceptor.local_endpoint().port();
  return url;
}

tcp::acceptor listener(asio::any_io_executor executor) {
  return {executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
}

}  // namespace

TEST_CASE("a connection is kept for the next request") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    TestServer server(executor, test::quick_options());
    http::Client client(executor, server.url());
    for (int i = 0; i < 3; ++i) {
      auto const answer = co_await test::post(client, "/echo", "hello");
      REQUIRE(answer.has_value());
      CHECK(answer->body == "POST /echo hello");
    }
    CHECK(server->connections() == 1);
    co_await server->drain(1s);
  });
}

TEST_CASE("a kept connection that the server closed is replaced without the caller noticing") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto options = test::quick_options();
    options.idle_timeout = 50ms;
    TestServer server(executor, options);
    http::Client client(executor, server.url());
    for (int i = 0; i < 3; ++i) {
      auto const answer = co_await test::post(client, "/echo", "hello");
      REQUIRE(answer.has_value());
      co_await sleep_for(120ms);
    }
    co_await server->drain(1s);
  });
}

TEST_CASE("statuses are answers, not errors") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    TestServer server(executor, test::quick_options());
    http::Client client(executor, server.url());
    auto const missing = co_await test::get(client, "/nothing");
    REQUIRE(missing.has_value());
    CHECK(missing->status == 404);
    auto const large = co_await test::post(client, "/echo", std::string(100'000, 'x'));
    REQUIRE(large.has_value());
    CHECK(large->status == 413);
    co_await server->drain(3s);
  });
}

TEST_CASE("every wait of the client has its deadline") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    TestServer server(executor, test::quick_options());
    http::Client client(executor, server.url());
    http::Request request;
    request.target = "/forever";
    auto const begin = std::chrono::steady_clock::now();
    auto const late = co_await client.send(std::move(request), 100ms);
    CHECK(std::chrono::steady_clock::now() - begin < 2s);
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error().kind == ErrorKind::Timeout);
    http::Request endless;
    endless.target = "/endless";
    auto opened = co_await client.open(std::move(endless), 1s);
    REQUIRE(opened.has_value());
    auto const silent = co_await (*opened)->read(50ms);
    CHECK(silent.error().kind == ErrorKind::Timeout);
    // Nobody accepts: the connection is made by the kernel, but no answer comes.
    auto acceptor = listener(executor);
    http::Client stuck(executor, url_of(acceptor));
    auto const none = co_await test::get(stuck, "/");
    CHECK(none.error().kind == ErrorKind::Timeout);
    co_await server->drain(1s);
  });
}

TEST_CASE("a server that cannot be reached is unavailable") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    http::Url url;
    {
      auto acceptor = listener(executor);
      url = url_of(acceptor);
    }
    http::Client client(executor, url);
    auto const refused = co_await test::get(client, "/");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorKind::Unavailable);
    url.host = "no-such-host.invalid";
    http::Client unknown(executor, url);
    auto const unresolved = co_await test::get(unknown, "/");
    CHECK_FALSE(unresolved.has_value());
  });
}

TEST_CASE("a host is an address or a name, and whoever leaves a look-up does not wait for it") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    for (auto const* const host : {"127.0.0.1", "::1", "localhost"}) {
      auto const found = co_await http::resolve(executor, host, 80, SteadyTime::max());
      REQUIRE(found.has_value());
      REQUIRE_FALSE(found->empty());
      CHECK(found->front().address().is_loopback());
      CHECK(found->front().port() == 80);
    }
    TaskGroup tasks(executor, nullptr);
    bool begun = false;
    bool left = false;
    auto look_up = [&]() -> asio::awaitable<void> {
      begun = true;
      auto const found = co_await http::resolve(executor, "no-such-host.invalid", 80, SteadyTime::max());
      left = !found && found.error().kind == ErrorKind::Canceled;
    };
    tasks.spawn("look up", look_up);
    CHECK(begun);  // at once, so that no answer is there before it is left
    co_await tasks.stop();
    CHECK(left);
  });
}

TEST_CASE("a broken answer is an error of its own kind") {
  struct Row {
    std::string answer;
    ErrorKind kind;
    std::string why;
  };
  for (Row const& row :
       {Row{"nonsense\r\n\r\n", ErrorKind::Protocol, "no HTTP"},
        Row{"", ErrorKind::Unavailable, "closed without an answer"},
        Row{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", ErrorKind::Unavailable, "cut short"},
        Row{"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + std::string(2000, 'x'), ErrorKind::Protocol,
            "too large"},
        Row{"HTTP/1.1 200 OK\r\nX: " + std::string(40'000, 'x') + "\r\n\r\n", ErrorKind::Protocol,
            "header too large"}}) {
    INFO(row.why);
    test::run([&]() -> asio::awaitable<void> {
      auto const executor = co_await asio::this_coro::executor;
      auto acceptor = listener(executor);
      TaskGroup tasks(executor, nullptr);
      auto serve = [&acceptor, &row]() { return scripted_server(acceptor, {row.answer}); };
      tasks.spawn("server", serve);
      http::ClientLimits limits;
      limits.max_body = 1000;
      http::Client client(executor, url_of(acceptor), {}, limits);
      auto const answer = co_await test::get(client, "/");
      REQUIRE_FALSE(answer.has_value());
      CHECK(answer.error().kind == row.kind);
      co_await tasks.stop();
    });
  }
}

TEST_CASE("a download follows redirects, a bounded number of them") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto acceptor = listener(executor);
    auto const url = url_of(acceptor);
    std::string const found = "HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n";
    std::string const whole = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndata";
    std::vector<std::string> const answers{found, found, whole, found, found};
    TaskGroup tasks(executor, nullptr);
    auto serve = [&acceptor, &answers]() { return scripted_server(acceptor, answers); };
    tasks.spawn("server", serve);
    http::Headers const none;
    auto got = co_await http::get_following(executor, url, none, {}, 2s);
    REQUIRE(got.has_value());
    auto const data = co_await (*got)->read(1s);
    CHECK(*data == "data");
    http::Follow once;
    once.max_redirects = 1;
    auto const endless = co_await http::get_following(executor, url, none, {}, 2s, once);
    REQUIRE_FALSE(endless.has_value());
    CHECK(endless.error().message.find("redirects") != std::string::npos);
    co_await tasks.stop();
  });
}

TEST_CASE("a download asks whether it may go on: at each URL, and at each address before it connects") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto acceptor = listener(executor);
    auto url = url_of(acceptor);
    std::string const found = "HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n";
    TaskGroup tasks(executor, nullptr);
    std::vector<std::string> const answers{found};
    auto serve = [&acceptor, &answers]() { return scripted_server(acceptor, answers); };
    tasks.spawn("server", serve);
    http::Headers const none;

    std::vector<std::string> asked;
    http::Follow by_url;
    by_url.admit_url = [&asked](http::Url const& each) -> Result<void> {
      asked.push_back(each.target);
      if (each.target == "/next") return make_error(ErrorKind::Forbidden, "not there");
      return {};
    };
    auto const stopped = co_await http::get_following(executor, url, none, {}, 2s, by_url);
    REQUIRE_FALSE(stopped.has_value());
    CHECK(stopped.error().message == "not there");
    CHECK(asked.size() == 2);
    co_await tasks.stop();

    // A name that has a loopback address: nobody connects, for what is asked is the address.
    url.host = "localhost";
    std::vector<std::string> addresses;
    http::Follow by_address;
    by_address.admit_address = [&addresses](http::Url const&, asio::ip::address const& each) -> Result<void> {
      addresses.push_back(each.to_string());
      return make_error(ErrorKind::Forbidden, "no loopback");
    };
    auto const refused = co_await http::get_following(executor, url, none, {}, 2s, by_address);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorKind::Forbidden);
    CHECK(refused.error().message == "no loopback");
    CHECK_FALSE(addresses.empty());
    acceptor.non_blocking(true);
    boost::system::error_code nobody;
    acceptor.accept(nobody);
    CHECK(nobody == asio::error::would_block);
  });
}

TEST_CASE("cancelling the caller ends its request") {
  test::run([]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    TestServer server(executor, test::quick_options());
    TaskGroup tasks(executor, nullptr);
    auto const client = std::make_shared<http::Client>(executor, server.url());
    auto ask = [client]() -> asio::awaitable<void> {
      auto const answer = co_await test::get(*client, "/forever");
      CHECK(answer.error().kind == ErrorKind::Canceled);
    };
    tasks.spawn("ask", ask);
    co_await sleep_for(50ms);
    CHECK(server.seen().started == 1);
    co_await tasks.stop();
    co_await sleep_for(50ms);
    CHECK(server.seen().canceled == 1);
    co_await server->drain(1s);
  });
}
