#include "operator/backend/kube/client/client.hpp"

#include "runtime/core/json.hpp"
#include "runtime/log/log.hpp"
#include "tests/operator/backend/kube/client/fake_api.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include <unistd.h>

using namespace ei::kube;
using ei::ErrorKind;
using ei::milliseconds;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr char const* kPod =
    R"({"kind":"Pod","metadata":{"name":"p","namespace":"n","resourceVersion":"1"}})";
ObjectKey const kKey{"n", "p"};

}  // namespace

TEST_CASE("an answer is its JSON, a refusal its Status") {
  asio::io_context io;
  FakeApi api(io, [](auto const& request) {
    return request.target.find("/p") != std::string::npos && request.target.ends_with("/p")
               ? FakeApi::answer(200, kPod)
               : FakeApi::failure(404, "NotFound");
  });
  Client client(io.get_executor(), api.access(), {});
  run_until_done(io, [&]() -> asio::awaitable<void> {
    auto const pod = co_await client.get(kPods, kKey);
    REQUIRE(pod.has_value());
    CHECK(ei::string_or(*pod, "metadata.name") == "p");
    ObjectKey const missing{"n", "q"};
    auto const none = co_await client.get(kPods, missing);
    REQUIRE_FALSE(none.has_value());
    CHECK(none.error().kind == ErrorKind::NotFound);
    CHECK(none.error().http_status == 404);
  });
  CHECK(api.seen().at(0) == "GET /api/v1/namespaces/n/pods/p");
}

TEST_CASE("429 and 5xx are repeated when the server says when, and not before") {
  for (auto const& [status, reason] :
       {std::pair(429, "TooManyRequests"), std::pair(503, "ServiceUnavailable")}) {
    asio::io_context io;
    int calls = 0;
    FakeApi api(io, [&calls, code = status, word = reason](auto const&) {
      return ++calls < 2 ? FakeApi::failure(code, word, "Retry-After: 1\r\n") : FakeApi::answer(200, kPod);
    });
    Client client(io.get_executor(), api.access(), {});
    auto const start = std::chrono::steady_clock::now();
    run_until_done(io, [&]() -> asio::awaitable<void> {
      auto const answer1 = co_await client.get(kPods, kKey);
      CHECK(answer1.has_value());
    });
    auto const took = std::chrono::steady_clock::now() - start;
    CHECK(calls == 2);
    CHECK(took >= 1s);
    CHECK(took < 2s);
  }
}

TEST_CASE("trouble without Retry-After is the caller's to judge") {
  asio::io_context io;
  FakeApi api(io, [](auto const&) { return FakeApi::failure(500, "InternalError"); });
  Client client(io.get_executor(), api.access(), {});
  run_until_done(io, [&]() -> asio::awaitable<void> {
    auto const pod = co_await client.get(kPods, kKey);
    CHECK(pod.error().kind == ErrorKind::Unavailable);
  });
  CHECK(api.seen().size() == 1);
}

TEST_CASE("a Retry-After beyond the deadline is told, not waited for") {
  asio::io_context io;
  FakeApi api(io,
              [](auto const&) { return FakeApi::failure(429, "TooManyRequests", "Retry-After: 60\r\n"); });
  ClientOptions options;
  options.timeout = 500ms;
  Client client(io.get_executor(), api.access(), options);
  run_until_done(io, [&]() -> asio::awaitable<void> {
    auto const pod = co_await client.get(kPods, kKey);
    CHECK(pod.error().kind == ErrorKind::TooMany);
    CHECK(pod.error().retry_after == 60s);
  });
  CHECK(api.seen().size() == 1);
}

TEST_CASE("a server that does not answer costs the deadline, no more") {
  asio::io_context io;
  FakeApi api(io, [](auto const&) {
    return FakeApi::Reply{{FakeApi::Part{"HTTP/1.1 200 OK\r\n", 0ms}, FakeApi::Part{"\r\n", 20s}}, true};
  });
  ClientOptions options;
  options.timeout = 200ms;
  Client client(io.get_executor(), api.access(), options);
  auto const start = std::chrono::steady_clock::now();
  run_until_done(io, [&]() -> asio::awaitable<void> {
    auto const pod = co_await client.get(kPods, kKey);
    CHECK(pod.error().kind == ErrorKind::Timeout);
  });
  CHECK(std::chrono::steady_clock::now() - start < 1s);
}

TEST_CASE("401 has the token read again at once, and no log line ever holds one") {
  auto const file =
      std::filesystem::temp_directory_path() / ("client_test.token." + std::to_string(::getpid()));
  std::ofstream(file) << "old-s3cret\n";
  std::string logged;
  ei::log::set_sink([&](std::string_view line) { logged += line; });
  ei::log::set_level(ei::log::Level::Debug);
  asio::io_context io;
  FakeApi api(io, [&](ei::http::Request const& request) {
    return request.headers.get("Authorization") == "Bearer new-s3cret"
               ? FakeApi::answer(200, kPod)
               : FakeApi::failure(401, "Unauthorized");
  });
  auto access = api.access();
  access.token = TokenFile{file};
  Client client(io.get_executor(), access, {});
  run_until_done(io, [&]() -> asio::awaitable<void> {
    auto const refused = co_await client.get(kPods, kKey);
    CHECK(refused.error().kind == ErrorKind::Unauthorized);
    CHECK(api.seen().size() == 2);
    std::ofstream(file) << "new-s3cret\n";
    auto const answer2 = co_await client.get(kPods, kKey);
    CHECK(answer2.has_value());
  });
  CHECK(api.requests().at(0).headers.get("Authorization") == "Bearer old-s3cret");
  CHECK(logged.find("s3cret") == std::string::npos);
  ei::log::set_sink({});
  std::filesystem::remove(file);
}

TEST_CASE("a credential plugin's token is used, kept, and asked for again after a 401") {
  auto const directory =
      std::filesystem::temp_directory_path() / ("client_test.plugin." + std::to_string(::getpid()));
  std::filesystem::create_directories(directory);
  auto const plugin = directory / "login";
  std::ofstream(plugin) << "#!/bin/sh\necho run >> " << (directory / "runs").string() << "\nn=$(wc -l < "
                        << (directory / "runs").string() << ")\n"
                        << "echo \"{\\\"apiVersion\\\":\\\"client.authentication.k8s.io/v1\\\",\\\"kind\\\":"
                           "\\\"ExecCredential\\\",\\\"status\\\":{\\\"token\\\":\\\"t$n$EXTRA\\\"}}\"\n";
  std::filesystem::permissions(plugin, std::filesystem::perms::owner_all);
  asio::io_context io;
  std::string good = "Bearer t1x";
  FakeApi api(io, [&](ei::http::Request const& request) {
    return request.headers.get("Authorization") == good ? FakeApi::answer(200, kPod)
                                                        : FakeApi::failure(401, "Unauthorized");
  });
  auto access = api.access();
  access.token =
      ExecPlugin{"client.authentication.k8s.io/v1", plugin.string(), {}, {{"EXTRA", "x"}}, false, {}};
  Client client(io.get_executor(), access, {});
  run_until_done(io, [&]() -> asio::awaitable<void> {
    auto const answer3 = co_await client.get(kPods, kKey);
    CHECK(answer3.has_value());
    auto const answer4 = co_await client.get(kPods, kKey);
    CHECK(answer4.has_value());
    good = "Bearer t2x";
    auto const answer5 = co_await client.get(kPods, kKey);
    CHECK(answer5.has_value());
  });
  CHECK(api.seen().size() == 4);
  std::filesystem::remove_all(directory);
}

TEST_CASE("a plugin that is not there says how to get it") {
  asio::io_context io;
  FakeApi api(io, [](auto const&) { return FakeApi::answer(200, kPod); });
  auto access = api.access();
  access.token =
      ExecPlugin{"client.authentication.k8s.io/v1", "/does/not/exist", {}, {}, false, "install it"};
  Client client(io.get_executor(), access, {});
  run_until_done(io, [&]() -> asio::awaitable<void> {
    auto const pod = co_await client.get(kPods, kKey);
    REQUIRE_FALSE(pod.has_value());
    CHECK_THAT(pod.error().message, Catch::Contains("install it"));
  });
  CHECK(api.seen().empty());
}

TEST_CASE("who may not write sends no write, and still reads") {
  asio::io_context io;
  FakeApi api(io, [](auto const&) { return FakeApi::answer(200, kPod); });
  ClientOptions options;
  options.may_write = [] { return false; };
  Client client(io.get_executor(), api.access(), options);
  run_until_done(io, [&]() -> asio::awaitable<void> {
    boost::json::object const body{{"a", 1}};
    DeleteQuery const any;
    auto const answer7 = co_await client.create(kPods, "n", body);
    CHECK(answer7.error().kind == ErrorKind::Canceled);
    auto const answer8 = co_await client.replace(kPods, kKey, body);
    CHECK(answer8.error().kind == ErrorKind::Canceled);
    auto const answer9 = co_await client.apply(kPods, kKey, body);
    CHECK(answer9.error().kind == ErrorKind::Canceled);
    auto const answer10 = co_await client.merge_patch(kPods, kKey, body);
    CHECK(answer10.error().kind == ErrorKind::Canceled);
    auto const answer12 = co_await client.scale(kPods, kKey, "uid", 1);
    CHECK(answer12.error().kind == ErrorKind::Canceled);
    auto const answer11 = co_await client.remove(kPods, kKey, any);
    CHECK(answer11.error().kind == ErrorKind::Canceled);
    CHECK(api.seen().empty());
    auto const answer6 = co_await client.get(kPods, kKey);
    CHECK(answer6.has_value());
  });
}

TEST_CASE("the right to write is asked for again before a repetition") {
  asio::io_context io;
  bool may = true;
  FakeApi api(io, [&](auto const&) {
    may = false;
    return FakeApi::failure(503, "ServiceUnavailable", "Retry-After: 0\r\n");
  });
  ClientOptions options;
  options.may_write = [&] { return may; };
  Client client(io.get_executor(), api.access(), options);
  run_until_done(io, [&]() -> asio::awaitable<void> {
    DeleteQuery const any;
    auto const done = co_await client.remove(kPods, kKey, any);
    CHECK(done.error().kind == ErrorKind::Canceled);
  });
  CHECK(api.seen().size() == 1);
}

TEST_CASE("writes are what the API server expects") {
  asio::io_context io;
  FakeApi api(io, [](auto const&) { return FakeApi::answer(200, kPod); });
  auto access = api.access();
  access.server += "/k8s/clusters/c-1";
  Client client(io.get_executor(), access, {});
  run_until_done(io, [&]() -> asio::awaitable<void> {
    boost::json::object const body{{"kind", "Pod"}};
    co_await client.apply(kPods, kKey, body, "status");
    co_await client.apply(kPods, kKey, body, {}, false);
    DeleteQuery query;
    query.uid = "u";
    query.propagation = "Foreground";
    co_await client.remove(kPods, kKey, query);
  });
  CHECK(api.seen().at(0) ==
        "PATCH /k8s/clusters/c-1/api/v1/namespaces/n/pods/p/status"
        "?fieldManager=elastic-inference-operator&force=true");
  CHECK(api.requests().at(0).headers.get("Content-Type") == "application/apply-patch+yaml");
  CHECK(api.requests().at(0).body == R"({"kind":"Pod"})");
  CHECK(api.seen().at(1).find("force") == std::string::npos);
  auto const options = ei::parse_json(api.requests().at(2).body).value();
  CHECK(ei::string_or(options, "preconditions.uid") == "u");
  CHECK(ei::string_or(options, "propagationPolicy") == "Foreground");
}

TEST_CASE(
    "every request is told with its resource, its answer and its time, repetitions each by themselves") {
  asio::io_context io;
  int calls = 0;
  FakeApi api(io, [&calls](ei::http::Request const& request) {
    if (request.method == "PATCH") return FakeApi::failure(409, "Conflict");
    return ++calls < 2 ? FakeApi::failure(429, "TooManyRequests", "Retry-After: 0\r\n")
                       : FakeApi::answer(200, kPod);
  });
  std::vector<std::string> told;
  ClientOptions options;
  options.on_answer = [&](Answered const& answered) {
    told.push_back(std::string(answered.method) + " " + std::string(answered.resource) + " " +
                   std::to_string(answered.status));
    CHECK(answered.elapsed > 0ns);
    CHECK(answered.elapsed < 5s);
  };
  Client client(io.get_executor(), api.access(), options);
  run_until_done(io, [&]() -> asio::awaitable<void> {
    co_await client.get(kPods, kKey);
    boost::json::object patch;
    co_await client.merge_patch(kInferenceServices, kKey, std::move(patch), "status");
    co_await client.server_version();
  });
  CHECK(told == std::vector<std::string>{"GET pods 429", "GET pods 200", "PATCH inferenceservices 409",
                                         "GET version 200"});
}

TEST_CASE("a request without an answer is told as such") {
  asio::io_context io;
  ei::kube::Access access;
  access.server = "http://127.0.0.1:1";  // nobody listens there
  std::vector<int> told;
  ClientOptions options;
  options.on_answer = [&](Answered const& answered) { told.push_back(answered.status); };
  Client client(io.get_executor(), access, options);
  run_until_done(io, [&]() -> asio::awaitable<void> { co_await client.get(kPods, kKey); });
  CHECK(told == std::vector<int>{0});
}

TEST_CASE("requests beyond the burst wait their turn") {
  asio::io_context io;
  FakeApi api(io, [](auto const&) { return FakeApi::answer(200, kPod); });
  ClientOptions options;
  options.requests_per_second = 20;
  options.burst = 2;
  Client client(io.get_executor(), api.access(), options);
  auto const start = std::chrono::steady_clock::now();
  run_until_done(io, [&]() -> asio::awaitable<void> {
    for (int i = 0; i < 6; ++i) co_await client.get(kPods, kKey);
  });
  CHECK(std::chrono::steady_clock::now() - start >= 190ms);
}
