#include "operator/reconcile/reconciler.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch.hpp>
#include <deque>
#include <set>

#include "runtime/http/server.hpp"
#include "runtime/log/log.hpp"

namespace asio = boost::asio;
namespace api = ei::api;
namespace plan = ei::plan;
using namespace std::chrono_literals;
using ei::Error;
using ei::ErrorKind;
using ei::Result;

namespace {

/// One key never runs twice at once; also one that is cut off has ended before the next.
class Running {
 public:
  Running(std::set<api::ServiceKey>& keys, api::ServiceKey key) : keys_(keys), key_(std::move(key)) {
    REQUIRE(keys_.insert(key_).second);
  }
  ~Running() { keys_.erase(key_); }
  Running(Running const&) = delete;
  Running& operator=(Running const&) = delete;

 private:
  std::set<api::ServiceKey>& keys_;
  api::ServiceKey key_;
};

/// Services in memory: what is applied is what is observed.
class MemoryBackend final : public ei::backend::Backend {
 public:
  explicit MemoryBackend(asio::io_context& context) : timer_(context.get_executor(), ei::SteadyTime::max()) {}

  asio::awaitable<Result<plan::Observation>> observe(api::ServiceKey key) override {
    auto const found = services.find(key);
    if (found == services.end()) co_return ei::make_error(ErrorKind::NotFound, "gone");
    co_return found->second;
  }

  asio::awaitable<Result<void>> apply(plan::Observation const& seen, plan::Actions const& actions) override {
    auto const key = seen.metadata.key();
    Running const mark(running, key);
    ++applies[key];
    co_await ei::sleep_for(apply_time);
    if (!failures.empty()) {
      auto const failure = failures.front();
      failures.pop_front();
      co_return failure;
    }
    for (auto const& action : actions) {
      if (auto const* workers = std::get_if<plan::EnsureWorkers>(&action)) {
        services.at(key).worker_replicas = workers->replicas;
      } else if (auto const* write = std::get_if<plan::WriteStatus>(&action)) {
        services.at(key).status = write->status;
        ++status_writes;
      } else if (std::holds_alternative<plan::RemoveChildren>(action)) {
        removed.insert(key);
      }
    }
    co_return Result<void>{};
  }

  asio::awaitable<Result<std::vector<api::ServiceKey>>> wait_change() override {
    while (changed.empty()) {
      if (closed) co_return ei::make_error(ErrorKind::Canceled, "no more");
      timer_.expires_at(ei::SteadyTime::max());
      co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    std::vector<api::ServiceKey> keys(changed.begin(), changed.end());
    changed.clear();
    co_return keys;
  }

  void change(api::ServiceKey const& key) {
    changed.insert(key);
    timer_.cancel();
  }
  void close() {
    closed = true;
    timer_.cancel();
  }

  std::map<api::ServiceKey, plan::Observation> services;
  std::deque<Error> failures;  ///< of the next applies
  ei::milliseconds apply_time{1};
  std::map<api::ServiceKey, int> applies;
  std::set<api::ServiceKey> running;
  std::set<api::ServiceKey> removed;
  std::set<api::ServiceKey> changed;
  int status_writes = 0;
  bool closed = false;

 private:
  asio::steady_timer timer_;
};

struct World {
  asio::io_context context{1};
  MemoryBackend backend{context};
  ei::metrics::Registry registry;
  ei::reconcile::OperatorMetrics metrics{registry};
  std::vector<std::string> events;
  std::vector<std::string> ids;
  std::string metrics_fault;
  std::optional<ei::reconcile::Reconciler> reconciler;
  std::optional<Result<void>> ended;

  explicit World(ei::reconcile::Options options = {}) {
    ei::log::set_level(ei::log::Level::Error);
    ei::reconcile::Listener listener;
    listener.on_event = [this](auto const&, auto const& event) { events.push_back(event.reason); };
    listener.on_decided = [this](auto const& decided) {
      ids.push_back(decided.verdict.decision_id);
      metrics_fault = decided.verdict.metrics_fault;
    };
    reconciler.emplace(context.get_executor(), backend, metrics, listener, options);
    asio::co_spawn(
        context, [this]() -> asio::awaitable<void> { ended = co_await reconciler->run(); }, asio::detached);
  }

  api::ServiceKey add(std::string name, ei::milliseconds interval = 50ms) {
    plan::Observation seen;
    seen.metadata.name = std::move(name);
    seen.spec = api::Spec{};
    seen.spec->scaling.interval = interval;
    auto const key = seen.metadata.key();
    backend.services[key] = seen;
    backend.change(key);
    return key;
  }
  void run_for(ei::milliseconds time) { context.run_for(time); }
  template <class Condition>
  void run_until(Condition holds) {
    auto const deadline =
        std::chrono::steady_clock::now() + 50s;  // under an emulator it takes ten times as long
    while (!holds() && std::chrono::steady_clock::now() < deadline) context.run_one_for(1s);
  }
  void finish() {
    reconciler->stop();
    while (!ended) context.run_one_for(5s);
  }
};

}  // namespace

TEST_CASE("One dispatcher more that is not ready yet does not blind the scaling") {
  World world;
  ei::http::ServerOptions options;
  options.address = "127.0.0.1";
  ei::http::Route metrics;
  metrics.method = "GET";
  metrics.pattern = "/metrics";
  metrics.handler = [](ei::http::Request) -> asio::awaitable<ei::http::Response> {
    co_return ei::http::text(200,
                             "dispatcher_queue_size 0\ndispatcher_arrivals_total 1\n"
                             "dispatcher_completions_total 1\ndispatcher_service_seconds_total 1\n"
                             "dispatcher_service_seconds_squared_total 1\ndispatcher_in_flight 0\n"
                             "dispatcher_oldest_age_seconds 0\n");
  };
  ei::http::Server server(world.context.get_executor(), options, {metrics});
  REQUIRE(server.listen().has_value());
  server.start();
  auto const key = world.add("a");
  auto& dispatchers = world.backend.services[key].dispatchers;
  dispatchers.push_back(
      {"serving", "1", "http://127.0.0.1:" + std::to_string(server.port()) + "/metrics", true, {}});
  dispatchers.push_back({"starting", "2", "", false, {}});
  world.run_for(200ms);
  CHECK(world.metrics_fault.empty());
  // With too few that are ready, each of them must be heard.
  world.backend.services[key].spec->dispatcher.replicas = 2;
  world.run_until([&] { return world.metrics_fault == "starting has no address yet"; });
  CHECK(world.metrics_fault == "starting has no address yet");
  world.finish();
}

TEST_CASE("A service gets its minimum of workers, and is looked at again every interval") {
  World world;
  auto const key = world.add("a");
  world.run_for(600ms);
  CHECK(world.backend.services[key].worker_replicas == 1);
  world.run_until([&] { return world.backend.applies[key] >= 4; });
  CHECK(world.backend.applies[key] >= 4);
  CHECK(world.backend.applies[key] <= 16);
  world.finish();
  CHECK(world.ended->has_value());
}

TEST_CASE("A storm of changes never runs one service twice at once, and ends in its last state") {
  World world;
  world.backend.apply_time = 20ms;
  auto const key = world.add("a", 60s);
  world.backend.services[key].spec->scaling.policy = ei::scaling::Policy::External;
  for (int i = 1; i <= 30; ++i) {
    world.backend.services[key].spec->scaling.external_replicas = 1 + i % 6;
    world.backend.change(key);
    world.run_for(7ms);
  }
  world.run_for(300ms);
  CHECK(world.backend.services[key].worker_replicas == 1);
  CHECK(world.backend.services[key].status.desired_replicas == 1);
  world.finish();
}

TEST_CASE("A reconcile that hangs is cut off, and others go on meanwhile") {
  // Long enough for the other one, whatever else this machine does.
  World world({2s, 4, "d"});
  world.backend.apply_time = 60s;
  auto const stuck = world.add("stuck", 60s);
  world.run_until([&] { return world.backend.applies[stuck] == 1; });
  world.backend.apply_time = 1ms;
  auto const other = world.add("other", 60s);
  auto const replicas = [&](auto const& key) { return world.backend.services[key].worker_replicas; };
  world.run_until([&] { return replicas(other) == 1; });
  CHECK(replicas(other) == 1);
  CHECK_FALSE(replicas(stuck));
  world.run_until([&] { return replicas(stuck) == 1; });
  CHECK(replicas(stuck) == 1);
  world.finish();
}

TEST_CASE("Of a service that is gone no metric is left") {
  World world;
  auto const key = world.add("a", 20ms);
  world.run_for(100ms);
  world.backend.services.erase(key);
  world.backend.change(key);
  world.run_until([&] { return world.backend.removed.count(key) == 1; });
  CHECK(world.backend.removed.count(key) == 1);
  auto const applies = world.backend.applies[key];
  world.run_for(100ms);
  CHECK(world.backend.applies[key] == applies);
  CHECK(world.registry.exposition().find("name=\"a\"") == std::string::npos);
  world.finish();
}

TEST_CASE("The end of the backend's changes ends the run") {
  World world;
  world.add("a", 20ms);
  world.run_for(50ms);
  world.backend.close();
  world.run_for(200ms);
  REQUIRE(world.ended);
  CHECK(world.ended->error().kind == ErrorKind::Canceled);
}

TEST_CASE("A thousand services are all looked at") {
  World world;
  for (int i = 0; i < 1000; ++i) world.add("s" + std::to_string(i), 60s);
  world.run_until([&] { return world.backend.applies.size() == 1000; });
  CHECK(world.backend.applies.size() == 1000);
  world.finish();
}
