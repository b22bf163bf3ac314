#include "operator/backend/kube/informer.hpp"

#include "runtime/async/task_group.hpp"
#include "runtime/log/log.hpp"
#include "tests/operator/backend/kube/client/fake_api.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <optional>

using namespace ei::kube;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

std::string object(std::string const& name, std::string const& version) {
  return R"({"kind":"Pod","metadata":{"namespace":"n","name":")" + name + R"(","resourceVersion":")" +
         version + "\"}}";
}

std::string event(std::string const& type, std::string const& name, std::string const& version) {
  return R"({"type":")" + type + R"(","object":)" + object(name, version) + "}\n";
}

std::string page(std::string const& version, std::string const& items, std::string const& next = {}) {
  return R"({"kind":"PodList","metadata":{"resourceVersion":")" + version + R"(","continue":")" + next +
         R"("},"items":[)" + items + "]}";
}

bool watches(ei::http::Request const& request) {
  return request.target.find("watch=true") != std::string::npos;
}

std::string const kGone =
    R"({"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410,"message":"old"}})"
    "\n";

/// An informer on a scripted server, until a condition holds.
struct Script {
  explicit Script(FakeApi::Script script)
      : api(io, std::move(script)), client(io.get_executor(), api.access(), {}) {
    ei::log::set_level(ei::log::Level::Error);
    options.type = kPods;
    options.namespace_name = "n";
    options.watcher.streaming_list = false;
    options.watcher.page_items = 2;
  }

  void run_until(std::function<bool()> holds) {
    informer = std::make_unique<Informer>(
        client, options, [this](auto const& key, auto const* before, auto const* after) {
          changes.push_back((before == nullptr ? "+" : after == nullptr ? "-" : "~") + key.name);
        });
    run_until_done(io, [&]() -> asio::awaitable<void> {
      ei::TaskGroup tasks(io.get_executor(), {});
      tasks.spawn("informer", [this] { return informer->run(); });
      while (!holds()) co_await ei::sleep_for(5ms);
      co_await tasks.stop();
    });
  }

  std::string version_of(std::string const& name) const {
    auto const* found = informer->store().find({"n", name});
    return found == nullptr ? "none" : found->resource_version;
  }

  asio::io_context io;
  FakeApi api;
  Client client;
  InformerOptions options;
  std::unique_ptr<Informer> informer;
  std::vector<std::string> changes;
};

FakeApi::Reply silent_stream() {
  return {{FakeApi::stream_head(), FakeApi::chunk("\n", 60s)}, true};
}

}  // namespace

TEST_CASE("pages, then events, wherever the chunks end") {
  auto const lines = event("ADDED", "c", "11") + event("MODIFIED", "a", "12") + event("DELETED", "b", "13");
  Script script([&](ei::http::Request const& request) {
    if (!watches(request)) {
      return request.target.find("continue=") == std::string::npos
                 ? FakeApi::answer(200, page("10", object("a", "1") + "," + object("b", "2"), "t"))
                 : FakeApi::answer(200, page("10", object("d", "3")));
    }
    FakeApi::Reply reply{{FakeApi::stream_head()}, false};
    for (std::size_t at = 0; at < lines.size(); at += 7)
      reply.parts.push_back(FakeApi::chunk(lines.substr(at, 7), 1ms));
    reply.parts.push_back(FakeApi::chunk("\n", 60s));
    return reply;
  });
  script.run_until([&] { return script.changes.size() >= 6; });
  CHECK(script.changes == std::vector<std::string>{"+a", "+b", "+d", "+c", "~a", "-b"});
  CHECK(script.version_of("a") == "12");
  CHECK(script.version_of("b") == "none");
  CHECK(script.api.count("resourceVersion=10") == 1);
}

TEST_CASE("a stream that is cut within a line goes on after the last whole event") {
  int streams = 0;
  Script script([&](ei::http::Request const& request) -> FakeApi::Reply {
    if (!watches(request)) return FakeApi::answer(200, page("10", object("a", "1")));
    if (++streams > 1) return silent_stream();
    auto const half = event("MODIFIED", "a", "12").substr(0, 30);
    return {{FakeApi::stream_head(), FakeApi::chunk(event("MODIFIED", "a", "11") + half)}, true};
  });
  script.run_until([&] { return streams == 2; });
  CHECK(script.version_of("a") == "11");
  CHECK(script.api.count("resourceVersion=11") == 1);
  CHECK(script.informer->listings() == 1);
}

TEST_CASE("a dropped connection resumes, and lists nothing") {
  int streams = 0;
  Script script([&](ei::http::Request const& request) -> FakeApi::Reply {
    if (!watches(request)) return FakeApi::answer(200, page("10", object("a", "1")));
    if (++streams > 3) return silent_stream();
    auto const version = std::to_string(10 + streams);
    return {{FakeApi::stream_head(), FakeApi::chunk(event("MODIFIED", "a", version))}, true};
  });
  script.run_until([&] { return streams == 4; });
  CHECK(script.api.count("resourceVersion=13") == 1);
  CHECK(script.api.count("limit=") == 1);
}

TEST_CASE("410 lists exactly once more, from the stream or instead of it") {
  for (bool const in_stream : {true, false}) {
    int streams = 0;
    int lists = 0;
    Script script([&](ei::http::Request const& request) -> FakeApi::Reply {
      if (!watches(request)) {
        return ++lists == 1 ? FakeApi::answer(200, page("10", object("a", "1") + "," + object("b", "2")))
                            : FakeApi::answer(200, page("50", object("a", "40")));
      }
      if (++streams > 1) return silent_stream();
      if (in_stream) return {{FakeApi::stream_head(), FakeApi::chunk(kGone)}, false};
      return FakeApi::failure(410, "Expired");
    });
    script.run_until([&] { return streams == 2; });
    CHECK(lists == 2);
    CHECK(script.changes == std::vector<std::string>{"+a", "+b", "~a", "-b"});
    CHECK(script.api.count("resourceVersion=50") == 1);
  }
}

TEST_CASE("429 and 5xx on the watch wait and never list") {
  for (auto const status : {429, 500, 503}) {
    int streams = 0;
    Script script([&, status](ei::http::Request const& request) -> FakeApi::Reply {
      if (!watches(request)) return FakeApi::answer(200, page("10", object("a", "1")));
      if (++streams > 1) return silent_stream();
      return FakeApi::failure(status, "", "Retry-After: 1\r\n");
    });
    auto const start = std::chrono::steady_clock::now();
    script.run_until([&] { return streams == 2; });
    CHECK(std::chrono::steady_clock::now() - start >= 1s);
    CHECK(script.api.count("limit=") == 1);
    CHECK(script.api.count("resourceVersion=10") == 2);
  }
}

TEST_CASE("a stream that falls silent is opened again") {
  int streams = 0;
  Script script([&](ei::http::Request const& request) -> FakeApi::Reply {
    if (!watches(request)) return FakeApi::answer(200, page("10", object("a", "1")));
    ++streams;
    return silent_stream();
  });
  script.options.watcher.silence = 1s;
  auto const start = std::chrono::steady_clock::now();
  script.run_until([&] { return streams == 2; });
  CHECK(std::chrono::steady_clock::now() - start < 3s);
  CHECK(script.api.count("limit=") == 1);
}

TEST_CASE("a line without end is not read to its end") {
  int streams = 0;
  Script script([&](ei::http::Request const& request) -> FakeApi::Reply {
    if (!watches(request)) return FakeApi::answer(200, page("10", object("a", "1")));
    if (++streams > 1) return silent_stream();
    FakeApi::Reply endless{{FakeApi::stream_head()}, false};
    for (int i = 0; i < 64; ++i) endless.parts.push_back(FakeApi::chunk(std::string(64 * 1024, 'x')));
    endless.parts.push_back(FakeApi::chunk("x", 60s));
    return endless;
  });
  script.run_until([&] { return streams == 2; });
  CHECK(script.api.count("resourceVersion=10") == 2);
}

TEST_CASE("the content changes only when a streaming list is whole") {
  int streams = 0;
  Script script([&](ei::http::Request const& request) -> FakeApi::Reply {
    if (!watches(request)) return FakeApi::failure(500, "InternalError");
    if (++streams == 1) {  // breaks off before the end marker
      return {{FakeApi::stream_head(), FakeApi::chunk(event("ADDED", "x", "1"))}, true};
    }
    auto const mark =
        std::string(R"({"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"20",)") +
        R"("annotations":{"k8s.io/initial-events-end":"true"}}}})" + "\n";
    return {
        {FakeApi::stream_head(), FakeApi::chunk(event("ADDED", "a", "1") + event("ADDED", "b", "2")),
         FakeApi::chunk(mark, 50ms), FakeApi::chunk(event("MODIFIED", "a", "21")), FakeApi::chunk("\n", 60s)},
        true};
  });
  script.options.watcher.streaming_list = true;
  script.run_until([&] { return script.changes.size() >= 3; });
  CHECK(script.changes == std::vector<std::string>{"+a", "+b", "~a"});
  CHECK(script.api.count("sendInitialEvents=true") == 2);
  CHECK(script.api.count("limit=") == 0);
}

TEST_CASE("a server without streaming lists is listed") {
  int streams = 0;
  Script script([&](ei::http::Request const& request) -> FakeApi::Reply {
    if (!watches(request)) return FakeApi::answer(200, page("10", object("a", "1")));
    if (request.target.find("sendInitialEvents") != std::string::npos)
      return FakeApi::failure(422, "Invalid");
    ++streams;
    return silent_stream();
  });
  script.options.watcher.streaming_list = true;
  script.run_until([&] { return streams == 1; });
  CHECK(script.informer->synced());
  CHECK(script.version_of("a") == "1");
}

TEST_CASE("a write's answer is seen at once, and its later echo is no change") {
  int streams = 0;
  Script script([&](ei::http::Request const& request) -> FakeApi::Reply {
    if (!watches(request)) return FakeApi::answer(200, page("10", object("a", "1")));
    ++streams;
    auto const echo = event("MODIFIED", "a", "11") + event("MODIFIED", "a", "12");
    return {{FakeApi::stream_head(), FakeApi::chunk(echo, 100ms), FakeApi::chunk("\n", 60s)}, true};
  });
  std::optional<std::chrono::steady_clock::time_point> learnt;
  script.run_until([&] {
    if (streams == 1 && !learnt) {
      boost::json::value const answer{
          {"metadata", {{"namespace", "n"}, {"name", "a"}, {"resourceVersion", "12"}}}};
      script.informer->learn(answer);
      learnt = std::chrono::steady_clock::now();
      CHECK(script.version_of("a") == "12");
    }
    return learnt && std::chrono::steady_clock::now() - *learnt > 300ms;
  });
  CHECK(script.changes == std::vector<std::string>{"+a", "~a"});
}

TEST_CASE(
    "a kind that is not served, and a right that is missing, are told once by name until they are there") {
  std::vector<std::string> warnings;
  int const refused = GENERATE(403, 404);
  int asked = 0;
  Script script([&](ei::http::Request const& request) -> FakeApi::Reply {
    if (watches(request)) return silent_stream();
    if (++asked <= 3) return FakeApi::failure(refused, refused == 403 ? "Forbidden" : "NotFound");
    return FakeApi::answer(200, page("10", object("a", "1")));
  });
  ei::log::set_level(ei::log::Level::Warn);
  ei::log::set_sink([&](std::string_view line) { warnings.emplace_back(line); });
  bool was_told_unserved = false;
  script.run_until([&] {
    was_told_unserved = was_told_unserved || !script.informer->served();
    return script.informer->synced() && script.informer->served();
  });
  ei::log::set_sink({});
  ei::log::set_level(ei::log::Level::Error);
  CHECK(was_told_unserved);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings.front(), Catch::Contains(refused == 403 ? "right_missing" : "kind_not_served") &&
                                   Catch::Contains(R"("resource":"pods")"));
}
