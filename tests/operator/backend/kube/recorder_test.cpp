#include "operator/backend/kube/recorder.hpp"

#include "operator/api/parse.hpp"
#include "tests/operator/backend/kube/memory_api.hpp"

using namespace ei;
using namespace ei::kube;

namespace {

struct Recorded : MemoryApi {
  std::unique_ptr<Client> api = client();
  Recorder recorder{context.get_executor(), *api, "test"};
  TaskGroup tasks{context.get_executor(), [](auto const&, auto const& what) { FAIL(what); }};

  Recorded() {
    tasks.spawn("events", [this] { return recorder.run(); });
  }
  ~Recorded() {
    asio::co_spawn(context, tasks.stop(), asio::detached);
    pass(1s);
  }
  void record(std::string note) {
    recorder.record({{"default", "s"}, "uid", "Normal", "ScaledUp", "Scale", std::move(note), ""});
  }
  std::size_t events() { return server.storage().all(sim::kind_of(kEvents)).size(); }
  std::int64_t count() {
    auto const& all = server.storage().all(sim::kind_of(kEvents));
    return all.empty() ? 0 : sim::number_of(all.begin()->second->object, "series.count", 1);
  }
};

}  // namespace

TEST_CASE_METHOD(Recorded, "what happened is an Event, and what happens again counts up") {
  record("from 1 to 2");
  pass(1s);
  CHECK(events() == 1);
  for (int i = 0; i < 4; ++i) {
    record("from 1 to 2");
    pass(1s);
  }
  pass(60s);
  CHECK(events() == 1);
  CHECK(count() == 5);
}

TEST_CASE_METHOD(Recorded, "events wait for an API server that is away, but not for ever") {
  network.weather.server_down = true;
  record("lost");
  pass(20s);
  SECTION("back in time") {
    network.weather.server_down = false;
    pass(20s);
    CHECK(events() == 1);
  }
  SECTION("away for too long") {
    pass(70s);
    network.weather.server_down = false;
    pass(30s);
    CHECK(events() == 0);
    record("after it");
    pass(10s);
    CHECK(events() == 1);
  }
}

TEST_CASE_METHOD(Recorded, "an event that is refused for good is not tried again, and keeps no other back") {
  recorder.record({{"default", "s"}, "uid", "Normal", "A", "Scale", "first", ""});
  pass(1s);
  auto const name = server.storage().all(sim::kind_of(kEvents)).begin()->first;
  // Its series cannot be counted up any more: the server has forgotten the event.
  server.remove(kEvents, name);
  recorder.record({{"default", "s"}, "uid", "Normal", "A", "Scale", "first", ""});
  recorder.record({{"default", "s"}, "uid", "Normal", "B", "Scale", "second", ""});
  pass(60s);
  CHECK(events() == 1);
}

TEST_CASE_METHOD(Recorded, "the last words are written within their time") {
  asio::co_spawn(context, tasks.stop(), asio::detached);
  pass(1s);
  record("the end");
  asio::co_spawn(context, recorder.drain(2s), asio::detached);
  pass(3s);
  CHECK(events() == 1);
}
