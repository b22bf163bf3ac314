#include "operator/scrape/arrivals.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <optional>

#include "dispatcher/contract/arrivals.hpp"
#include "runtime/async/clock.hpp"
#include "runtime/async/task_group.hpp"
#include "runtime/http/server.hpp"

namespace asio = boost::asio;
namespace http = ei::http;
using ei::scrape::ArrivalWatch;
using ei::scrape::Awaited;
using namespace std::chrono_literals;

namespace {

/// A watch in virtual time, over dispatchers that answer as the test says.
struct Stage {
  ei::VirtualClock clock;
  asio::io_context context{1};
  std::vector<Awaited> asked;
  std::vector<ArrivalWatch::News> news;
  /// Of each question: after how long, and with what.
  std::function<std::pair<std::chrono::milliseconds, ei::Result<bool>>(Awaited const&)> answer;
  std::optional<ArrivalWatch> watch;

  Stage() {
    ei::use_clock(&clock);
    auto const ask = [this](Awaited dispatcher, ei::milliseconds) -> asio::awaitable<ei::Result<bool>> {
      asked.push_back(dispatcher);
      auto given = answer(dispatcher);
      co_await ei::sleep_for(given.first);
      ei::Result<bool> what = std::move(given.second);
      co_return what;
    };
    watch.emplace(
        context.get_executor(), [this](ArrivalWatch::News each) { news.push_back(each); }, ask);
  }
  ~Stage() {
    watch.reset();
    context.restart();
    context.poll();
    ei::use_clock(nullptr);
  }
  void run_for(std::chrono::milliseconds time) {
    auto const end = clock.steady + time;
    for (;;) {
      clock.next_expiry.reset();
      context.restart();
      while (context.poll() > 0) {
      }
      auto const next = clock.next_expiry;
      if (!next || *next > end) break;
      clock.steady = std::max(clock.steady, *next);
    }
    clock.steady = end;
  }
};

Awaited const kDispatcher{"http://10.0.0.1:9000/metrics", 7};

std::pair<std::chrono::milliseconds, ei::Result<bool>> refused(Awaited const&) {
  return {1ms, ei::make_error(ei::ErrorKind::Unavailable, "refused")};
}

}  // namespace

TEST_CASE("The first request is told once, and then nobody is asked") {
  Stage stage;
  stage.answer = [](auto const&) { return std::pair(20'000ms, ei::Result<bool>(true)); };
  stage.watch->follow({kDispatcher});
  stage.run_for(19s);
  CHECK(stage.news.empty());
  stage.run_for(2s);
  CHECK(stage.news == std::vector{ArrivalWatch::News::Arrived});
  stage.run_for(10min);
  CHECK(stage.asked.size() == 1);
}

TEST_CASE("A question that ends without a request is asked anew, with what is known") {
  Stage stage;
  stage.answer = [](auto const&) { return std::pair(50'000ms, ei::Result<bool>(false)); };
  stage.watch->follow({kDispatcher});
  stage.run_for(160s);
  CHECK(stage.news.empty());
  CHECK(stage.asked == std::vector<Awaited>(4, kDispatcher));
}

TEST_CASE("A watch stands once its questions are known to be heard") {
  Stage stage;
  stage.answer = [](auto const&) { return std::pair(50'000ms, ei::Result<bool>(false)); };
  CHECK_FALSE(stage.watch->stands());
  stage.watch->follow({kDispatcher});
  stage.run_for(1s);
  CHECK_FALSE(stage.watch->stands());
  stage.run_for(2s);
  CHECK(stage.watch->stands());
}

TEST_CASE("A dispatcher that is lost is told once, and asked ever more seldom until it is back") {
  Stage stage;
  stage.answer = [](auto const&) {
    return std::pair(30'000ms, ei::Result<bool>(ei::make_error(ei::ErrorKind::Unavailable, "reset")));
  };
  stage.watch->follow({kDispatcher});
  stage.run_for(30s);
  CHECK(stage.news == std::vector{ArrivalWatch::News::Lost});
  CHECK_FALSE(stage.watch->stands());
  stage.answer = refused;
  stage.run_for(10min);
  CHECK(stage.news.size() == 1);
  CHECK(stage.asked.size() > 60);
  CHECK(stage.asked.size() < 75);
  stage.answer = [](auto const&) { return std::pair(50'000ms, ei::Result<bool>(false)); };
  stage.run_for(60s);
  CHECK(stage.watch->stands());
}

TEST_CASE(
    "Another set of dispatchers, or another count, is asked at once, and the old question left to its end") {
  Stage stage;
  stage.answer = [](Awaited const& each) {
    return each.arrivals == 7 ? std::pair(20'000ms, ei::Result<bool>(true))
                              : std::pair(50'000ms, ei::Result<bool>(false));
  };
  stage.watch->follow({kDispatcher});
  stage.run_for(5s);
  stage.watch->follow({{kDispatcher.metrics_url, 8}});
  stage.run_for(1s);
  CHECK(stage.asked.size() == 2);
  stage.watch->follow({{kDispatcher.metrics_url, 8}});
  stage.run_for(1s);
  CHECK(stage.asked.size() == 2);
  stage.run_for(20s);
  CHECK(stage.news == std::vector{ArrivalWatch::News::Arrived});
}

TEST_CASE("A watch that ends tells nothing any more") {
  Stage stage;
  stage.answer = [](auto const&) { return std::pair(5'000ms, ei::Result<bool>(true)); };
  stage.watch->follow({kDispatcher});
  stage.run_for(1s);
  stage.watch.reset();
  stage.run_for(60s);
  CHECK(stage.news.empty());
}

TEST_CASE("Over HTTP: 200 is a request, 204 is none, and all else is a dispatcher that is lost") {
  asio::io_context context(1);
  int status = 204;
  std::vector<std::string> queries;
  http::ServerOptions options;
  options.address = "127.0.0.1";
  http::Route route;
  route.method = "GET";
  route.pattern = ei::dispatcher::arrival::kPath;
  route.handler = [&](http::Request request) -> asio::awaitable<http::Response> {
    queries.push_back(request.query);
    if (queries.size() > 2) status = 200;
    co_await ei::sleep_for(20ms);
    http::Response response;
    response.status = status;
    co_return response;
  };
  http::Server server(context.get_executor(), options, std::vector<http::Route>{route});
  REQUIRE(server.listen().has_value());
  server.start();
  std::vector<ArrivalWatch::News> news;
  ArrivalWatch watch(context.get_executor(), [&](auto each) { news.push_back(each); });
  watch.follow({{"http://127.0.0.1:" + std::to_string(server.port()) + "/metrics", 41}});
  while (news.empty()) context.run_one();
  CHECK(news == std::vector{ArrivalWatch::News::Arrived});
  CHECK(queries == std::vector<std::string>(3, "known=41&wait_ms=50000"));
}
