#include "operator/scrape/webhook.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "runtime/async/task_group.hpp"
#include "runtime/http/server.hpp"

namespace asio = boost::asio;
namespace http = ei::http;
namespace scrape = ei::scrape;
using ei::AddressKind;
using namespace std::chrono_literals;

namespace {

scrape::WebhookReach loopback() {
  scrape::WebhookReach reach;
  reach.addresses.loopback = true;
  return reach;
}

struct Asked {
  ei::scaling::Answer answer;
  std::optional<std::string> question;  ///< none: nothing came to the webhook
};

/// Asks a webhook that answers so after `delay`.
Asked ask(http::Response response, scrape::WebhookReach reach = loopback(), ei::milliseconds delay = 0ms,
          ei::milliseconds deadline = 10s) {
  asio::io_context context(1);
  std::optional<std::string> asked;
  http::ServerOptions options;
  options.address = "127.0.0.1";
  http::Route route;
  route.method = "POST";
  route.pattern = "/decide";
  route.handler = [&](http::Request request) -> asio::awaitable<http::Response> {
    asked = request.body;
    if (delay.count() > 0) co_await ei::sleep_for(delay);
    co_return response;
  };
  http::Server server(context.get_executor(), options, std::vector<http::Route>{route});
  REQUIRE(server.listen().has_value());
  server.start();
  auto const url = "http://127.0.0.1:" + std::to_string(server.port()) + "/decide";
  scrape::Webhook webhook(context.get_executor(), url, "", std::move(reach));
  std::optional<ei::scaling::Answer> found;
  asio::co_spawn(
      context, [&]() -> asio::awaitable<void> { found = co_await webhook.ask("the question", deadline); },
      asio::detached);
  while (!found) context.run_one();
  return {*found, asked};
}

ei::scaling::Answer answer_of(http::Response response) {
  return ask(std::move(response)).answer;
}

std::string refusal(scrape::WebhookReach const& reach, std::string_view host, AddressKind kind) {
  auto const admitted = scrape::admit_webhook(reach, host, kind);
  return admitted ? "" : admitted.error().message;
}

}  // namespace

TEST_CASE("An answer is read as the exchange has it") {
  auto const asked = ask({200, {}, R"({"replicas": 4, "reason": "Because", "explanation": "so"})"});
  CHECK(asked.answer == ei::scaling::Answer{4, "Because", "so", ""});
  CHECK(asked.question == "the question");
}

TEST_CASE("What is no usable answer says why") {
  CHECK(answer_of({503, {}, "busy"}).failure == "HTTP status 503");
  CHECK(answer_of({302, {{"Location", "http://169.254.169.254/"}}, ""}).failure == "HTTP status 302");
  CHECK_THAT(answer_of({200, {}, "{}"}).failure, Catch::StartsWith("replicas is missing"));
  CHECK_THAT(answer_of({200, {}, "<html>"}).failure, Catch::Contains("is not JSON"));
  CHECK_THAT(answer_of({200, {}, std::string(17000, ' ')}).failure,
             Catch::Contains("larger than 16384 bytes"));
  CHECK(ask({200, {}, "{}"}, loopback(), 2s, 300ms).answer.failure == "no answer within 300ms");
}

TEST_CASE("An address that the administrator does not allow is not connected to") {
  auto const asked = ask({200, {}, "{}"}, {});
  CHECK_THAT(asked.answer.failure, Catch::Contains("127.0.0.1 is a loopback address; an administrator"));
  CHECK_FALSE(asked.question);
}

TEST_CASE("A cluster's authority that cannot be read is what the answer names") {
  auto reach = loopback();
  reach.cluster_ca = []() -> ei::Result<std::string> {
    return ei::make_error(ei::ErrorKind::Io, "ca.crt: permission denied");
  };
  asio::io_context context(1);
  scrape::Webhook webhook(context.get_executor(), "https://policy.default.svc/decide", "", reach);
  std::optional<ei::scaling::Answer> found;
  asio::co_spawn(
      context, [&]() -> asio::awaitable<void> { found = co_await webhook.ask("the question", 10s); },
      asio::detached);
  while (!found) context.run_one();
  CHECK(found->failure == "the cluster's certificate authority: ca.crt: permission denied");
}

TEST_CASE("Services may have private addresses where services are allowed, and nothing more") {
  scrape::WebhookReach reach;
  CHECK_FALSE(refusal(reach, "policy.default.svc", AddressKind::Private).empty());
  CHECK(refusal(reach, "policy.example.com", AddressKind::Public).empty());
  reach.services = true;
  CHECK(refusal(reach, "policy.default.svc", AddressKind::Private).empty());
  CHECK_FALSE(refusal(reach, "policy.example.com", AddressKind::Private).empty());
  CHECK_FALSE(refusal(reach, "policy.default.svc", AddressKind::Loopback).empty());
  reach.addresses = {true, true};
  CHECK_THAT(refusal(reach, "policy.default.svc", AddressKind::Never),
             Catch::Contains("nothing is ever posted"));
}

TEST_CASE("A Service's name has two labels before svc") {
  CHECK(scrape::names_service("policy.default.svc"));
  CHECK(scrape::names_service("policy.default.svc.cluster.local."));
  for (auto const* other :
       {"policy.default", "svc", ".default.svc", "a..svc", "a.b.c.svc", "policy.default.svc.example.com"}) {
    INFO(other);
    CHECK_FALSE(scrape::names_service(other));
  }
}
