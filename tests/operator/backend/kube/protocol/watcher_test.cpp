#include "operator/backend/kube/protocol/watcher.hpp"

#include <catch2/catch.hpp>

using namespace ei::kube::watch;
using ei::ErrorKind;
using ei::make_error;
using ei::SteadyTime;
using namespace std::chrono_literals;

namespace {

/// A watcher and a clock that only the test moves.
struct Script {
  explicit Script(bool streaming) : watcher(options(streaming)) {}

  static Options options(bool streaming) {
    Options options;
    options.streaming_list = streaming;
    return options;
  }

  Step operator()(Input input) { return last = watcher.step(input, now); }
  Step fail(ErrorKind kind) { return (*this)(Failed{make_error(kind, "scripted")}); }
  Step event(EventType type, std::string version) {
    return (*this)(EventArrived{type, std::move(version), false});
  }

  /// Listed at resourceVersion 10, stream open.
  void reach_watching() {
    (*this)(Started{});
    (*this)(PageArrived{"10", ""});
    (*this)(StreamOpened{});
    REQUIRE(watcher.synced());
  }

  Watcher watcher;
  SteadyTime now{1h};
  Step last;
};

bool lists(Step const& step) {
  return std::holds_alternative<RequestPage>(step.action);
}
bool reads(Step const& step) {
  return std::holds_alternative<ReadEvent>(step.action);
}
std::string resumes_at(Step const& step) {
  auto const* open = std::get_if<OpenStream>(&step.action);
  return open != nullptr && !open->initial_events ? open->resource_version : "not resuming";
}
bool streams_list(Step const& step) {
  auto const* open = std::get_if<OpenStream>(&step.action);
  return open != nullptr && open->initial_events;
}

}  // namespace

TEST_CASE("pages are gathered and swapped in with the last one, then the watch starts where they end") {
  Script script(false);
  auto step = script(Started{});
  CHECK(step.cache == CacheOp::Restage);
  CHECK(std::get<RequestPage>(step.action) == RequestPage{100, ""});
  step = script(PageArrived{"10", "next"});
  CHECK(step.cache == CacheOp::Stage);
  CHECK(std::get<RequestPage>(step.action) == RequestPage{100, "next"});
  CHECK_FALSE(script.watcher.synced());
  step = script(PageArrived{"10", ""});
  CHECK(step.cache == CacheOp::StageAndCommit);
  CHECK(resumes_at(step) == "10");
  CHECK(script.watcher.synced());
  CHECK(reads(script(StreamOpened{})));
}

TEST_CASE("events change the cache and move the position") {
  Script script(false);
  script.reach_watching();
  CHECK(script.event(EventType::Added, "11").cache == CacheOp::Put);
  CHECK(script.event(EventType::Modified, "12").cache == CacheOp::Put);
  CHECK(script.event(EventType::Deleted, "13").cache == CacheOp::Remove);
  CHECK(script.event(EventType::Bookmark, "20").cache == CacheOp::None);
  script.now += 5min;
  auto const step = script(StreamEnded{});
  CHECK(resumes_at(step) == "20");
  CHECK(step.delay == 0ms);
}

TEST_CASE("a streaming list swaps the cache only at the end marker") {
  Script script(true);
  CHECK(streams_list(script(Started{})));
  script(StreamOpened{});
  CHECK(script.event(EventType::Added, "3").cache == CacheOp::StagePut);
  CHECK(script.event(EventType::Deleted, "4").cache == CacheOp::StageRemove);
  CHECK(script.event(EventType::Bookmark, "5").cache == CacheOp::None);
  CHECK_FALSE(script.watcher.synced());
  auto const step = script(EventArrived{EventType::Bookmark, "9", true});
  CHECK(step.cache == CacheOp::Commit);
  CHECK(reads(step));
  CHECK(script.watcher.synced());
  CHECK(script.event(EventType::Modified, "10").cache == CacheOp::Put);
  script.now += 1min;
  CHECK(resumes_at(script(StreamEnded{})) == "10");
}

TEST_CASE("a server that refuses the streaming list is listed with pages for good") {
  Script script(true);
  script(Started{});
  auto step = script.fail(ErrorKind::Invalid);
  CHECK(lists(step));
  CHECK(step.delay == 0ms);
  script(PageArrived{"10", ""});
  script(StreamOpened{});
  script.now += 5min;
  CHECK(lists(script.fail(ErrorKind::Gone)));
}

TEST_CASE("a server that never sends the end marker is listed with pages after three streams") {
  Script script(true);
  script(Started{});
  for (int i = 0; i < 2; ++i) {
    script(StreamOpened{});
    script.event(EventType::Added, "3");
    auto const step = script.fail(ErrorKind::Timeout);
    CHECK(streams_list(step));
    CHECK(step.cache == CacheOp::Restage);
    CHECK(step.delay > 0ms);
  }
  script(StreamOpened{});
  CHECK(lists(script(StreamEnded{})));
}

TEST_CASE("an initial stream that breaks is thrown away and begun again") {
  Script script(true);
  script(Started{});
  script(StreamOpened{});
  script.event(EventType::Added, "3");
  auto const step = script.fail(ErrorKind::Unavailable);
  CHECK(step.cache == CacheOp::Restage);
  CHECK(streams_list(step));
}

TEST_CASE("trouble of the server never relists") {
  for (auto const kind : {ErrorKind::TooMany, ErrorKind::Unavailable, ErrorKind::Timeout, ErrorKind::Io,
                          ErrorKind::Protocol, ErrorKind::Unauthorized, ErrorKind::Forbidden}) {
    Script script(false);
    script.reach_watching();
    script.event(EventType::Added, "11");
    INFO("kind " << static_cast<int>(kind));
    for (int i = 0; i < 50; ++i) {
      auto const step = script.fail(kind);
      CHECK(resumes_at(step) == "11");
      CHECK(step.delay <= 15s);
      if (i > 0) CHECK(step.delay >= 500ms);
    }
    CHECK(script.watcher.listings() == 1);
  }
}

TEST_CASE("410 relists exactly once, whether the watch is refused or its stream carries it") {
  for (bool const in_stream : {true, false}) {
    Script script(false);
    script.reach_watching();
    if (!in_stream) script.fail(ErrorKind::Unavailable);
    auto const step = script.fail(ErrorKind::Gone);
    CHECK(lists(step));
    CHECK(step.cache == CacheOp::Restage);
    CHECK(step.delay == 0ms);
    CHECK(script.watcher.listings() == 2);
    CHECK(script.watcher.synced());  // the old content is served meanwhile
    script(PageArrived{"50", ""});
    script(StreamOpened{});
    script.now += 5min;
    CHECK(resumes_at(script(StreamEnded{})) == "50");
    CHECK(script.watcher.listings() == 2);
  }
}

TEST_CASE("a server that answers every watch with 410 is listed ever more rarely") {
  Script script(false);
  script.reach_watching();
  auto total = 0ms;
  int relists = 0;
  while (total < 10min) {
    auto const step = script.fail(ErrorKind::Gone);
    total += step.delay;
    script.now += step.delay;
    script(PageArrived{"10", ""});
    ++relists;
  }
  CHECK(relists < 20);
}

TEST_CASE("an expired continue token restarts the listing, then asks for everything at once") {
  Script script(false);
  script(Started{});
  script(PageArrived{"10", "token"});
  auto const step = script.fail(ErrorKind::Gone);
  CHECK(step.cache == CacheOp::Restage);
  CHECK(std::get<RequestPage>(step.action) == RequestPage{0, ""});
  script(PageArrived{"11", ""});
  CHECK(script.watcher.synced());
}

TEST_CASE("a page that fails is asked for again, not the pages before it") {
  Script script(false);
  script(Started{});
  script(PageArrived{"10", "token"});
  auto const step = script.fail(ErrorKind::TooMany);
  CHECK(step.cache == CacheOp::None);
  CHECK(std::get<RequestPage>(step.action) == RequestPage{100, "token"});
  CHECK(step.delay > 0ms);
}

TEST_CASE("Retry-After is obeyed, with something on top") {
  Script script(false);
  script.reach_watching();
  auto error = make_error(ErrorKind::TooMany, "slow down");
  error.retry_after = 30s;
  auto const step = script(Failed{error});
  CHECK(step.delay >= 30s);
  CHECK(step.delay <= 36s);
}

TEST_CASE("a silent stream is reopened where it was, within 70 seconds") {
  Script script(false);
  script.reach_watching();
  auto const& read = std::get<ReadEvent>(script.last.action);
  CHECK(read.timeout <= 70s);
  script.now += read.timeout;
  auto const step = script.fail(ErrorKind::Timeout);
  CHECK(resumes_at(step) == "10");
  CHECK(step.delay == 0ms);
}

TEST_CASE("a server that times out on every stream as it opens is not asked without a pause") {
  Script script(false);
  script.reach_watching();
  for (int i = 0; i < 5; ++i) {
    auto const step = script.fail(ErrorKind::Timeout);
    CHECK(resumes_at(step) == "10");
    CHECK(step.delay > 0ms);
    script(StreamOpened{});
  }
}

TEST_CASE("a stream that ends as soon as it opens does not spin") {
  Script script(false);
  script.reach_watching();
  auto total = 0ms;
  for (int i = 0; i < 10; ++i) {
    total += script(StreamEnded{}).delay;
    script(StreamOpened{});
  }
  CHECK(total > 20s);
  CHECK(script.watcher.listings() == 1);
}

TEST_CASE("streams ask for different life times, so that they do not end together") {
  Script one(false);
  one.reach_watching();
  std::vector<std::chrono::seconds> timeouts;
  for (int i = 0; i < 5; ++i) {
    one.now += 5min;
    timeouts.push_back(std::get<OpenStream>(one(StreamEnded{}).action).timeout);
    one(StreamOpened{});
  }
  std::sort(timeouts.begin(), timeouts.end());
  CHECK(std::unique(timeouts.begin(), timeouts.end()) - timeouts.begin() >= 3);
  CHECK(timeouts.front() >= 300s);
  CHECK(timeouts.back() <= 600s);
}

TEST_CASE("a kind that is not served any more is looked for again and again, slowly") {
  Script script(false);
  script.reach_watching();
  auto step = script.fail(ErrorKind::NotFound);
  CHECK(lists(step));
  auto total = 0ms;
  for (int i = 0; i < 10; ++i) total += script.fail(ErrorKind::NotFound).delay;
  CHECK(total > 30s);
}
