#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <catch2/catch.hpp>
#include <memory>

#include "tests/runtime/loop.hpp"
#include "tests/runtime/server_fixture.hpp"

using namespace ei;
using namespace std::chrono_literals;
using test::TestServer;

namespace {

using Key = std::shared_ptr<EVP_PKEY>;
using Certificate = std::shared_ptr<X509>;

struct Identity {
  Key key;
  Certificate certificate;

  template <class Write>
  static std::string pem(Write write) {
    std::unique_ptr<BIO, decltype(&BIO_free)> const out(BIO_new(BIO_s_mem()), &BIO_free);
    write(out.get());
    char* data = nullptr;
    long const size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }
  [[nodiscard]] std::string certificate_pem() const {
    return pem([this](BIO* out) { PEM_write_bio_X509(out, certificate.get()); });
  }
  [[nodiscard]] std::string key_pem() const {
    return pem([this](BIO* out) {
      PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
};

void extend(X509* certificate, X509* issuer, int kind, char const* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// A fresh identity; without an issuer it is an authority of its own.
Identity make_identity(std::string const& name, std::string const& alternative_names,
                       Identity const* issuer) {
  Identity out;
  out.key = Key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  out.certificate = Certificate(X509_new(), &X509_free);
  X509* const certificate = out.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), issuer != nullptr ? 2 : 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, out.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<unsigned char const*>(name.c_str()), -1, -1, 0);
  X509* const signer = issuer != nullptr ? issuer->certificate.get() : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  if (issuer == nullptr) extend(certificate, signer, NID_basic_constraints, "critical,CA:TRUE");
  if (!alternative_names.empty())
    extend(certificate, signer, NID_subject_alt_name, alternative_names.c_str());
  X509_sign(certificate, issuer != nullptr ? issuer->key.get() : out.key.get(), EVP_sha256());
  return out;
}

http::ServerOptions tls_options(Identity const& server) {
  auto options = test::quick_options();
  options.header_timeout = 2s;
  options.tls.emplace();
  options.tls->certificate_pem = server.certificate_pem();
  options.tls->key_pem = server.key_pem();
  return options;
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

TEST_CASE("a server that asks for a client's certificate serves only who has one") {
  auto const authority = make_identity("authority", "", nullptr);
  auto const identity = make_identity("server", "IP:127.0.0.1", &authority);
  auto const me = make_identity("client", "", &authority);
  test::run([&]() -> asio::awaitable<void> {
    auto options = tls_options(identity);
    options.tls->client_ca_pem = authority.certificate_pem();
    TestServer server(co_await asio::this_coro::executor, options);
    http::TlsClientOptions tls;
    tls.ca_pem = authority.certificate_pem();
    auto const nobody = co_await ask(server, tls);
    CHECK_FALSE(nobody.has_value());
    tls.client_cert_pem = me.certificate_pem();
    tls.client_key_pem = me.key_pem();
    auto const known = co_await ask(server, tls);
    CHECK(known.has_value());
    tls.client_key_pem = "no key";
    auto const broken = co_await ask(server, tls);
    CHECK(broken.error().kind == ErrorKind::Invalid);
    co_await server->drain(3s);
  });
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
