#include <catch2/catch.hpp>
#include <memory>

#include "runtime/http/handshake.hpp"
#include "runtime/http/tls_context.hpp"
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

http::ServerOptions tls_options(Identity const& server) {
  auto options = test::quick_options();
  options.header_timeout = 2s;
  options.tls = http::ServerTls::make({server.certificate_pem(), server.key_pem(), {}}).value();
  return options;
}

// What a server says of itself, and its failed handshakes.
struct Told {
  std::vector<http::HandshakeFault> faults;
  void listen(http::ServerOptions& options) {
    options.on_handshake_failed = [this](http::HandshakeFault fault) { faults.push_back(fault); };
  }
};

http::TlsClientOptions trusting(Identity const& authority) {
  http::TlsClientOptions tls;
  tls.ca_pem = authority.certificate_pem();
  return tls;
}

asio::awaitable<Result<http::Response>> ask(TestServer& server, http::TlsClientOptions tls) {
  auto const executor = co_await asio::this_coro::executor;
  http::Client client(executor, server.url("https"), tls);
  co_return co_await test::post(client, "/echo", "hello");
}

}  // namespace

TEST_CASE("a server is trusted only under its authority and its own name or address") {
  auto const authority = make_identity("authority", "", nullptr);
  auto const stranger = make_identity("stranger", "", nullptr);
  struct Row {
    std::string names;
    std::string authority_pem;
    std::string server_name;
    bool trusted;
    std::string why;
  };
  for (Row const& row :
       {Row{"IP:127.0.0.1", authority.certificate_pem(), "", true, "the address is in the certificate"},
        Row{"IP:127.0.0.2", authority.certificate_pem(), "", false, "another address"},
        Row{"DNS:127.0.0.1", authority.certificate_pem(), "", false, "an address is no DNS name"},
        Row{"DNS:service.test", authority.certificate_pem(), "service.test", true, "the overriding name"},
        Row{"DNS:*.apps.test", authority.certificate_pem(), "one.apps.test", true,
            "a wildcard for one label"},
        Row{"DNS:*.apps.test", authority.certificate_pem(), "one.two.apps.test", false,
            "a wildcard is no more than that"},
        Row{"DNS:other.test", authority.certificate_pem(), "service.test", false, "another name"},
        Row{"", authority.certificate_pem(), "127.0.0.1", false, "no name at all"},
        Row{"IP:127.0.0.1", stranger.certificate_pem(), "", false, "another authority"},
        Row{"IP:127.0.0.1", "", "", false, "an authority the system does not know"}}) {
    INFO(row.why);
    auto const identity = make_identity("server", row.names, &authority);
    test::run([&]() -> asio::awaitable<void> {
      TestServer server(co_await asio::this_coro::executor, tls_options(identity));
      http::TlsClientOptions tls;
      tls.ca_pem = row.authority_pem;
      tls.server_name = row.server_name;
      auto const answer = co_await ask(server, tls);
      CHECK(answer.has_value() == row.trusted);
      if (row.trusted && answer) CHECK(answer->body == "POST /echo hello");
      if (!row.trusted) CHECK(answer.error().message.find("handshake") != std::string::npos);
      co_await server->drain(3s);
    });
  }
}

TEST_CASE("a client's certificate is asked for, verified or required") {
  auto const authority = make_identity("authority", "", nullptr);
  auto const stranger = make_identity("stranger", "", nullptr);
  auto const identity = make_identity("server", "IP:127.0.0.1", &authority);
  auto const mine = make_identity("client", "", &authority);
  auto const others = make_identity("client", "", &stranger);
  auto const ended = make_identity("client", "", &authority, -1);
  using http::ClientAuth;
  using http::HandshakeFault;
  struct Row {
    ClientAuth asked;
    Identity const* shown;
    std::optional<HandshakeFault> fault;
    std::string why;
  };
  for (Row const& row :
       {Row{ClientAuth::None, nullptr, {}, "nobody is asked"},
        Row{ClientAuth::None, &others, {}, "what is not asked for is not shown"},
        Row{ClientAuth::Optional, nullptr, {}, "none is fine"},
        Row{ClientAuth::Optional, &mine, {}, "one of the authority is fine"},
        Row{ClientAuth::Optional, &others, HandshakeFault::Untrusted, "one that is shown is verified"},
        Row{ClientAuth::Required, nullptr, HandshakeFault::NoCertificate, "none is not enough"},
        Row{ClientAuth::Required, &mine, {}, "one of the authority"},
        Row{ClientAuth::Required, &others, HandshakeFault::Untrusted, "one of another authority"},
        Row{ClientAuth::Required, &ended, HandshakeFault::Untrusted, "one that has ended"}}) {
    INFO(row.why);
    test::run([&]() -> asio::awaitable<void> {
      auto options = tls_options(identity);
      options.tls = http::ServerTls::make({identity.certificate_pem(), identity.key_pem(),
                                           authority.certificate_pem(), row.asked})
                        .value();
      Told told;
      told.listen(options);
      TestServer server(co_await asio::this_coro::executor, options);
      auto tls = trusting(authority);
      if (row.shown != nullptr) {
        tls.client_cert_pem = row.shown->certificate_pem();
        tls.client_key_pem = row.shown->key_pem();
      }
      auto const answer = co_await ask(server, tls);
      CHECK(answer.has_value() == !row.fault);
      co_await server->drain(3s);
      CHECK(told.faults == (row.fault ? std::vector{*row.fault} : std::vector<HandshakeFault>{}));
    });
  }
}

TEST_CASE("material that cannot be used is refused with the part that is at fault") {
  auto const one = make_identity("one", "", nullptr);
  auto const two = make_identity("two", "", nullptr);
  struct Row {
    http::TlsServerOptions options;
    std::string part;
  };
  for (Row const& row :
       {Row{{"", one.key_pem(), {}}, "certificate"}, Row{{"no PEM", one.key_pem(), {}}, "certificate"},
        Row{{one.certificate_pem(), "", {}}, "private key"},
        Row{{one.certificate_pem(), two.key_pem(), {}}, "private key"},
        Row{{one.certificate_pem(), one.encrypted_key_pem(), {}}, "private key"},
        Row{{one.certificate_pem(), one.key_pem(), "", http::ClientAuth::Required},
            "authority of clients"}}) {
    auto const made = http::ServerTls::make(row.options);
    REQUIRE_FALSE(made.has_value());
    CHECK_THAT(made.error().message, Catch::Contains(row.part));
  }
}

TEST_CASE("a replaced certificate is what new connections see, and old ones live on") {
  auto const before = make_identity("before", "", nullptr);
  auto const after = make_identity("after", "", nullptr);
  auto const first = make_identity("server", "IP:127.0.0.1", &before);
  auto const second = make_identity("server", "IP:127.0.0.1", &after, 7200);
  test::run([&]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto options = tls_options(first);
    options.idle_timeout = 10s;
    auto const tls = http::ServerTls::make({first.certificate_pem(), first.key_pem(), {}}).value();
    options.tls = tls;
    TestServer server(executor, options);
    http::Client kept(executor, server.url("https"), trusting(before));
    auto const early = co_await test::get(kept, "/echo");
    CHECK(early.has_value());
    auto const expires = tls->expires();
    CHECK_FALSE(tls->replace({second.certificate_pem(), first.key_pem(), {}}).has_value());
    CHECK(tls->expires() == expires);
    CHECK(tls->replace({second.certificate_pem(), second.key_pem(), {}}).has_value());
    CHECK(tls->expires() > expires);
    auto const late = co_await test::get(kept, "/echo");
    CHECK(late.has_value());
    CHECK(server->connections() == 1);
    auto const outdated = co_await ask(server, trusting(before));
    CHECK_FALSE(outdated.has_value());
    auto const fresh = co_await ask(server, trusting(after));
    CHECK(fresh.has_value());
    co_await server->drain(3s);
  });
}

TEST_CASE("who speaks plain HTTP to TLS, or says nothing, is told or closed") {
  auto const authority = make_identity("authority", "", nullptr);
  auto const identity = make_identity("server", "IP:127.0.0.1", &authority);
  using http::HandshakeFault;
  struct Row {
    std::string sent;
    int status;
    HandshakeFault fault;
  };
  for (Row const& row : {Row{"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 400, HandshakeFault::PlainHttp},
                         Row{"\x80\x01nonsense", 0, HandshakeFault::Protocol},
                         Row{"\x16", 0, HandshakeFault::Timeout}, Row{"", 0, HandshakeFault::Timeout}}) {
    INFO(row.sent);
    test::run([&]() -> asio::awaitable<void> {
      auto options = tls_options(identity);
      options.header_timeout = 150ms;
      Told told;
      told.listen(options);
      TestServer server(co_await asio::this_coro::executor, options);
      auto client = co_await test::RawClient::connect(server->port());
      co_await client.send(row.sent);
      auto const answer = co_await client.read_to_end();
      client.close();
      CHECK((row.status == 0 || test::status_of(answer) == row.status));
      CHECK((row.status == 0) == (answer.find("HTTP/1.1") == std::string::npos));
      co_await server->drain(3s);
      CHECK(told.faults == std::vector{row.fault});
    });
  }
}

TEST_CASE("over TLS too, large bodies pass, connections are kept and leaving cancels") {
  auto const authority = make_identity("authority", "", nullptr);
  auto const identity = make_identity("server", "IP:127.0.0.1", &authority);
  test::run([&]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    auto options = tls_options(identity);
    options.body_timeout = 10s;
    TestServer server(executor, options);
    http::TlsClientOptions tls;
    tls.ca_pem = authority.certificate_pem();
    http::Client client(executor, server.url("https"), tls);
    for (int i = 0; i < 2; ++i) {
      auto const large = co_await test::post(client, "/large", std::string(3'000'000, 'x'));
      REQUIRE(large.has_value());
      CHECK(large->body.size() > 3'000'000);
    }
    auto const slow = co_await test::get(client, "/slow");
    CHECK(slow->status == 200);
    CHECK(server->connections() == 1);
    http::Request request;
    request.target = "/forever";
    auto const late = co_await client.send(std::move(request), 100ms);
    CHECK(late.error().kind == ErrorKind::Timeout);
    co_await sleep_for(50ms);
    CHECK(server.seen().canceled == 1);
    co_await server->drain(3s);
  });
}

TEST_CASE("a client may change its keys now and then, and not without end") {
  auto const authority = make_identity("authority", "", nullptr);
  auto const identity = make_identity("server", "IP:127.0.0.1", &authority);
  for (auto const& [changes, served] : {std::pair{60, true}, std::pair{70, false}}) {
    INFO(changes);
    test::run([&]() -> asio::awaitable<void> {
      auto const executor = co_await asio::this_coro::executor;
      TestServer server(executor, tls_options(identity));
      auto const context = http::make_client_context(trusting(authority)).value();
      http::TlsStream client(executor, *context);
      asio::ip::tcp::endpoint const address(asio::ip::address_v4::loopback(), server->port());
      co_await client.next_layer().async_connect(address, asio::use_awaitable);
      co_await client.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
      constexpr auto kQuiet = asio::as_tuple(asio::use_awaitable);
      for (int i = 0; i < changes; ++i) {
        SSL_key_update(client.native_handle(), SSL_KEY_UPDATE_REQUESTED);
        // Empty lines before a request are skipped.
        co_await asio::async_write(client, asio::buffer("\r\n", 2), kQuiet);
      }
      std::string const request = "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
      co_await asio::async_write(client, asio::buffer(request), kQuiet);
      std::string answer;
      auto buffer = asio::dynamic_buffer(answer);
      co_await asio::async_read(client, buffer, kQuiet);
      CHECK((test::status_of(answer) == 200) == served);
      boost::system::error_code ignored;
      client.next_layer().close(ignored);
      co_await server->drain(1s);
    });
  }
}

TEST_CASE("a WebSocket works over TLS") {
  auto const authority = make_identity("authority", "", nullptr);
  auto const identity = make_identity("server", "IP:127.0.0.1", &authority);
  test::run([&]() -> asio::awaitable<void> {
    auto const executor = co_await asio::this_coro::executor;
    http::WebSocketRoute route;
    route.pattern = "/link";
    route.handler = [](http::Request, std::unique_ptr<http::WebSocket> given) -> asio::awaitable<void> {
      auto const socket = std::move(given);
      auto message = co_await socket->receive();
      if (!message) co_return;
      auto const sent = co_await socket->send(std::move(*message));
      CHECK(sent.has_value());
      auto const end = co_await socket->receive();
      CHECK_FALSE(end.has_value());
    };
    TestServer server(executor, tls_options(identity), {route});
    http::WebSocketConnect options;
    options.url = server.url("wss");
    options.url.target = "/link";
    options.tls.emplace();
    options.tls->ca_pem = authority.certificate_pem();
    auto socket = co_await http::connect_websocket(executor, std::move(options));
    REQUIRE(socket.has_value());
    http::WebSocket::Message message;
    message.data = std::string(1'000'000, 'y');
    auto const sent = co_await (*socket)->send(std::move(message));
    CHECK(sent.has_value());
    auto const back = co_await (*socket)->receive();
    REQUIRE(back.has_value());
    CHECK(back->data.size() == 1'000'000);
    co_await (*socket)->close("done");
    co_await server->drain(3s);
  });
}
