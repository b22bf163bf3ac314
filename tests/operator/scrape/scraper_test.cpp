#include "operator/scrape/scraper.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "runtime/async/task_group.hpp"
#include "runtime/http/server.hpp"

namespace asio = boost::asio;
namespace scrape = ei::scrape;
namespace http = ei::http;
using namespace std::chrono_literals;

namespace {

constexpr char const* kMetrics =
    "dispatcher_queue_size 7\ndispatcher_arrivals_total 120\ndispatcher_completions_total 110\n"
    "dispatcher_service_seconds_total 3.5\ndispatcher_service_seconds_squared_total 0.25\n"
    "dispatcher_in_flight 3\ndispatcher_oldest_age_seconds 0.75\n";

/// A dispatcher's metrics port; answers with `status` and `body` after `delay`.
struct FakeDispatcher {
  int status = 200;
  std::string body = kMetrics;
  std::chrono::milliseconds delay{0};
  std::unique_ptr<http::Server> server;

  explicit FakeDispatcher(asio::io_context& context) {
    http::ServerOptions options;
    options.address = "127.0.0.1";
    http::Route route;
    route.method = "GET";
    route.pattern = "/metrics";
    route.handler = [this](http::Request) -> asio::awaitable<http::Response> {
      if (delay > 0ms) co_await ei::sleep_for(delay);
      co_return http::text(status, body);
    };
    server = std::make_unique<http::Server>(context.get_executor(), options, std::vector<http::Route>{route});
    REQUIRE(server->listen().has_value());
    server->start();
  }
  [[nodiscard]] scrape::Target target(std::string name) const {
    return {name, name + "/1", "http://127.0.0.1:" + std::to_string(server->port()) + "/metrics"};
  }
};

scrape::Scrape scrape_all(asio::io_context& context, scrape::Scraper& scraper,
                          std::vector<scrape::Target> targets, int wanted, ei::milliseconds deadline = 2s) {
  scrape::Scrape result;
  bool finished = false;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        result = co_await scraper.scrape(targets, wanted, deadline);
        finished = true;
      },
      asio::detached);
  while (!finished) context.run_one();
  return result;
}

}  // namespace

TEST_CASE("Every dispatcher is asked and the answers are summed") {
  asio::io_context context;
  FakeDispatcher one(context);
  FakeDispatcher two(context);
  scrape::Scraper scraper(context.get_executor());
  for (int round = 0; round < 3; ++round) {
    auto const result = scrape_all(context, scraper, {one.target("a"), two.target("b")}, 2);
    INFO(result.fault);
    REQUIRE(result.sample);
    CHECK(result.sample->queue == 14);
    CHECK(result.fault.empty());
  }
}

TEST_CASE("A dispatcher that is missing, has no address or does not answer makes the sum unusable") {
  asio::io_context context;
  FakeDispatcher good(context);
  FakeDispatcher bad(context);
  scrape::Scraper scraper(context.get_executor());
  auto const fault = [&](std::vector<scrape::Target> targets, int wanted) {
    auto const result = scrape_all(context, scraper, std::move(targets), wanted, 300ms);
    CHECK_FALSE(result.sample);
    return result.fault;
  };
  CHECK(fault({good.target("a")}, 2) == "1 of 2 dispatchers run");
  CHECK(fault({}, 1) == "0 of 1 dispatchers run");
  CHECK(fault({good.target("a"), {"b", "", ""}}, 2) == "b has no address yet");
  bad.status = 500;
  CHECK(fault({good.target("a"), bad.target("b")}, 2).rfind("b: ", 0) == 0);
  bad.status = 200;
  bad.body = "dispatcher_queue_size 1\n";
  CHECK(fault({good.target("a"), bad.target("b")}, 2) == "b: the metrics lack dispatcher_arrivals_total");
  bad.body = kMetrics;
  bad.delay = 5s;
  auto const before = std::chrono::steady_clock::now();
  CHECK(fault({good.target("a"), bad.target("b")}, 2).rfind("b: ", 0) == 0);
  CHECK(std::chrono::steady_clock::now() - before < 2s);
}
