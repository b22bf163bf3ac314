#include "operator/scrape/prometheus.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include "runtime/http/server.hpp"

namespace asio = boost::asio;
namespace scrape = ei::scrape;
namespace http = ei::http;
using namespace std::chrono_literals;
using ei::ErrorKind;

namespace {

std::string success(std::string const& type, std::string const& result) {
  return R"({"status":"success","data":{"resultType":")" + type + R"(","result":)" + result + "}}";
}
std::string one(std::string const& value) {
  return success("vector", R"([{"metric":{"service":"a"},"value":[1763955600.123,")" + value + R"("]}])");
}

/// A Prometheus that gives one answer to everything.
struct FakePrometheus {
  int status = 200;
  std::string body;
  std::string target;  ///< of the last request
  asio::io_context context{1};
  std::unique_ptr<http::Server> server;

  FakePrometheus() {
    http::ServerOptions options;
    options.address = "127.0.0.1";
    http::Route route;
    route.method = "GET";
    route.pattern = "/prom/api/v1/query";
    route.handler = [this](http::Request request) -> asio::awaitable<http::Response> {
      target = request.target;
      co_return http::text(status, body);
    };
    server = std::make_unique<http::Server>(context.get_executor(), options, std::vector<http::Route>{route});
    REQUIRE(server->listen().has_value());
    server->start();
  }
  scrape::Scrape ask(std::string const& query) {
    auto url = http::parse_url("http://127.0.0.1:" + std::to_string(server->port()) + "/prom/");
    scrape::Prometheus prometheus(context.get_executor(), *url);
    scrape::Scrape result;
    bool finished = false;
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
          result = co_await prometheus.query(query, 2s);
          finished = true;
        },
        asio::detached);
    while (!finished) context.run_one();
    return result;
  }
};

}  // namespace

TEST_CASE("One sample of a query is a queue length") {
  CHECK(scrape::read_query_answer(one("7")).value() == 7);
  CHECK(scrape::read_query_answer(one("0")).value() == 0);
  CHECK(scrape::read_query_answer(one("1.5e+03")).value() == 1500);
  CHECK(scrape::read_query_answer(success("scalar", R"([1763955600, "42"])")).value() == 42);
}

TEST_CASE("Whatever is not one queue length is refused in words that say what to do") {
  struct Row {
    char const* why;
    std::string body;
    ErrorKind kind;
    char const* says;
  };
  std::string const two =
      success("vector", R"([{"metric":{},"value":[1,"1"]},{"metric":{"a":"b"},"value":[1,"2"]}])");
  for (auto const& row : std::vector<Row>{
           {"nothing matches", success("vector", "[]"), ErrorKind::NotFound, "no sample"},
           {"one per dispatcher", two, ErrorKind::Invalid, "2 samples: sum()"},
           {"0/0", one("NaN"), ErrorKind::Invalid, "gives NaN"},
           {"1/0", one("+Inf"), ErrorKind::Invalid, "gives +Inf"},
           {"-1/0", one("-Inf"), ErrorKind::Invalid, "gives -Inf"},
           {"a difference", one("-3"), ErrorKind::Invalid, "gives -3"},
           {"no number", one("seven"), ErrorKind::Invalid, "gives seven"},
           {"a range", success("matrix", R"([{"metric":{},"values":[[1,"1"]]}])"), ErrorKind::Invalid,
            "gives a matrix"},
           {"a string", success("string", R"([1,"x"])"), ErrorKind::Invalid, "gives a string"},
           {"a native histogram", success("vector", R"([{"metric":{},"histogram":[1,{}]}])"),
            ErrorKind::Protocol, "no value"},
           {"half a pair", success("scalar", "[1]"), ErrorKind::Protocol, "not [time"},
           {"a bad query", R"({"status":"error","errorType":"bad_data","error":"1:5: parse error"})",
            ErrorKind::Invalid, "bad_data: 1:5: parse error"},
           {"a page", "<html>", ErrorKind::Protocol, "not JSON"},
           {"another API", R"({"status":"success","data":[]})", ErrorKind::Protocol, "/api/v1/query"},
           {"an empty body", "", ErrorKind::Protocol, "not JSON"}}) {
    INFO(row.why);
    auto const read = scrape::read_query_answer(row.body);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().kind == row.kind);
    CHECK_THAT(read.error().message, Catch::Contains(row.says));
  }
}

TEST_CASE("The query goes below the server's own path, escaped") {
  FakePrometheus prometheus;
  prometheus.body = one("12");
  auto const asked = prometheus.ask(R"(sum(dispatcher_queue_size{service="a b"}))");
  INFO(asked.fault);
  REQUIRE(asked.sample);
  CHECK(asked.sample->queue == 12);
  CHECK(prometheus.target ==
        "/prom/api/v1/query?query=sum%28dispatcher_queue_size%7Bservice%3D%22a%20b%22%7D%29");
}

TEST_CASE("A refusal is told in Prometheus' own words, a proxy's by its status") {
  FakePrometheus prometheus;
  prometheus.status = 400;
  prometheus.body = R"({"status":"error","errorType":"bad_data","error":"unclosed left parenthesis"})";
  auto const refused = prometheus.ask("sum(");
  CHECK_FALSE(refused.sample);
  CHECK(refused.fault == "Prometheus: bad_data: unclosed left parenthesis");
  prometheus.status = 502;
  prometheus.body = "<html>Bad Gateway</html>";
  CHECK(prometheus.ask("up").fault == "Prometheus: HTTP status 502");
}
