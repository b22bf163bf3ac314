#include <catch2/catch.hpp>

#include "runtime/core/json.hpp"
#include "runtime/http/client.hpp"
#include "runtime/http/message.hpp"
#include "runtime/http/parser.hpp"
#include "runtime/http/routing.hpp"
#include "runtime/http/text.hpp"
#include "runtime/http/url.hpp"
#include "runtime/http/wire.hpp"

using namespace ei;
using namespace ei::http;

TEST_CASE("header names compare without case and keep their order") {
  Headers headers{{"Content-Type", "a"}, {"X", "1"}};
  headers.add("x", "2");
  CHECK(headers.get("CONTENT-type") == "a");
  CHECK(headers.get("x") == "1");
  CHECK_FALSE(headers.get("y").has_value());
  headers.set("X", "3");
  CHECK(headers.size() == 2);
  CHECK(headers.get("x") == "3");
}

TEST_CASE("a problem is RFC 9457 JSON even when it quotes bytes that are no text") {
  auto const response = problem(404, "Not found", "nothing at \xff");
  CHECK(response.headers.get("Content-Type") == "application/problem+json");
  auto const body = parse_json(response.body);
  REQUIRE(body.has_value());
  CHECK(string_or(*body, "title") == "Not found");
  CHECK(find_member(*body, "status")->as_int64() == 404);
}

TEST_CASE("query values and header parameters are found and decoded") {
  CHECK(query_value("a=1&b=x%20y+z", "b") == "x y z");
  CHECK(query_value("a=1&b", "b") == "");
  CHECK_FALSE(query_value("a=1", "b").has_value());
  CHECK_FALSE(query_value("a=%zz", "a").has_value());
  CHECK(media_type("Image/JPEG; q=1") == "image/jpeg");
  CHECK(header_parameter("multipart/form-data; boundary=abc", "Boundary") == "abc");
  CHECK(header_parameter("form-data; name=\"im;a\\\"ge\"; filename=x", "name") == "im;a\"ge");
  CHECK(header_parameter("form-data; name=\"image\"; filename=x", "filename") == "x");
  CHECK_FALSE(header_parameter("text/plain", "charset").has_value());
  CHECK(has_token("keep-alive, Upgrade", "upgrade"));
  CHECK_FALSE(has_token("keep-alive", "alive"));
}

TEST_CASE("URLs are taken apart and put together") {
  auto const url = parse_url("HTTPS://[::1]:6443/api?x=1#frag");
  REQUIRE(url.has_value());
  CHECK(url->secure());
  CHECK(url->host == "::1");
  CHECK(url->port == 6443);
  CHECK(url->target == "/api?x=1");
  CHECK(url->to_string() == "https://[::1]:6443/api?x=1");
  CHECK(parse_url("http://a")->target == "/");
  CHECK(parse_url("http://a?q")->target == "/?q");
  CHECK(parse_url("ws://a:80/")->authority() == "a");
  for (std::string const text :
       {"", "a", "ftp://a/", "http://", "http://a:0/", "http://a:99999/", "http://u@a/", "http://a b/",
        "http://[::1/", "http://a:/", "http://a:8x/", "http://[a]/", "http://[[::1]/", "http://a]/"}) {
    INFO(text);
    CHECK_FALSE(parse_url(text).has_value());
  }
}

TEST_CASE("a redirect's target is resolved against its origin") {
  Url const base = *parse_url("https://host:444/a/b?c");
  CHECK(resolve_url(base, "http://x/y")->to_string() == "http://x/y");
  CHECK(resolve_url(base, "//x/y")->to_string() == "https://x/y");
  CHECK(resolve_url(base, "/y")->to_string() == "https://host:444/y");
  CHECK(resolve_url(base, "y?z")->to_string() == "https://host:444/a/y?z");
}

TEST_CASE("a route is chosen by path and method") {
  std::vector<RoutePattern> const routes{{"GET", "/"},
                                         {"GET", "/v2/models/{model}"},
                                         {"POST", "/v2/models/{model}/infer"},
                                         {"GET", "/v2/models/special"},
                                         {"POST", "/predict"}};
  CHECK(match_route(routes, "GET", "/").index == 0u);
  auto const match = match_route(routes, "POST", "/v2/models/res%20net/infer");
  CHECK(match.index == 2u);
  CHECK(match.params.at("model") == "res net");
  struct Row {
    std::string method, path;
    std::optional<std::size_t> index;
    std::string allow, why;
  };
  for (Row const& row :
       {Row{"GET", "/v2/models/special", 3u, "", "a literal beats a parameter"},
        Row{"HEAD", "/v2/models/x", 1u, "", "HEAD is served from GET"},
        Row{"DELETE", "/", {}, "GET, HEAD", "405 with what is allowed"},
        Row{"GET", "/predict", {}, "POST", "HEAD only where GET is"}, Row{"GET", "/nothing", {}, "", "404"},
        Row{"GET", "/predict/", {}, "", "a trailing slash is another path"},
        Row{"GET", "/v2/models/", {}, "", "a parameter is not empty"},
        Row{"GET", "/v2/models/%zz", {}, "", "a broken escape matches nothing"},
        Row{"GET", "/v2/models/a%2Fb", 1u, "", "an escaped slash stays inside its segment"}}) {
    INFO(row.method << " " << row.path << ": " << row.why);
    auto const found = match_route(routes, row.method, row.path);
    CHECK(found.index == row.index);
    CHECK(found.allow == row.allow);
  }
}

TEST_CASE("an answer's head cannot be split by its values") {
  Response response = text(200, "x");
  response.headers.set("X-Echo", "a\r\nSet-Cookie: b");
  response.headers.set("Content-Length", "99");
  ResponseHeadOptions options;
  options.body_size = 1;
  auto const head = response_head(response, options);
  CHECK(head.find("\r\nSet-Cookie") == std::string::npos);
  CHECK(head.find("Content-Length: 1\r\n") != std::string::npos);
  CHECK(head.find("99") == std::string::npos);
  CHECK(head.ends_with("\r\n\r\n"));
  CHECK(format_http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");
}

TEST_CASE("an HTTP answer that is no success becomes an error of its kind") {
  Response busy = problem(429, "Too many requests", "queue full");
  busy.headers.set("Retry-After", "2");
  auto const error = error_from_response(busy);
  CHECK(error.kind == ErrorKind::TooMany);
  CHECK(error.http_status == 429);
  CHECK(error.retry_after == std::chrono::seconds(2));
  CHECK(error_from_response(text(410, "")).kind == ErrorKind::Gone);
  CHECK(error_from_response(text(503, "")).kind == ErrorKind::Unavailable);
}

namespace {

// Feeds byte by byte where `step` is 1; gives the fault's status, or 0.
int feed_all(RequestParser& parser, std::string text, std::size_t step, std::size_t max_body = 1000) {
  std::string buffer;
  while (!text.empty() || !buffer.empty()) {
    auto const take = std::min(step, text.size());
    buffer += text.substr(0, take);
    text.erase(0, take);
    for (;;) {
      bool const had_header = parser.header_done();
      auto const used = parser.feed(buffer);
      if (!used) return used.error().http_status;
      buffer.erase(0, *used);
      if (parser.header_done() && !had_header) {
        auto const allowed = parser.allow_body(max_body);
        if (!allowed) return allowed.error().http_status;
      }
      if (parser.header_done() && parser.done()) return 0;
      if (*used == 0 || buffer.empty()) break;
    }
    if (text.empty() && take == 0) break;
  }
  return 0;
}

}  // namespace

TEST_CASE("a request is the same however its bytes are cut") {
  std::string const wire =
      "POST /predict?x=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: t\r\n\r\n";
  for (std::size_t const step : {1UL, 2UL, 3UL, 7UL, 20UL, 1000UL}) {
    INFO("step " << step);
    RequestParser parser(8192);
    CHECK(feed_all(parser, wire, step) == 0);
    REQUIRE(parser.done());
    CHECK(parser.request().body == "hello world");
    CHECK(parser.request().path == "/predict");
    CHECK(parser.request().query == "x=1");
    CHECK_FALSE(parser.request().headers.get("Trailer").has_value());
  }
}

TEST_CASE("a request that cannot be served is refused with the status that says why") {
  std::string const many(9000, 'x');
  struct Row {
    std::string wire;
    int status;
    std::string why;
  };
  for (Row const& row :
       {Row{"GARBAGE\r\n\r\n", 400, "no request line"}, Row{"GET / HTTP/1.1\r\n\r\n", 400, "no Host"},
        Row{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "two Hosts"},
        Row{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "version"},
        Row{"GET / HTTP/1.1\r\nHost: a\r\nX: " + many + "\r\n\r\n", 431, "one long field"},
        Row{"GET /" + many + " HTTP/1.1\r\nHost: a\r\n\r\n", 431, "long target"},
        Row{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413, "announced too much"},
        Row{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", 413,
            "a chunk too large"},
        Row{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400, "negative length"},
        Row{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400,
            "two lengths"},
        Row{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400, "length and chunks: the way requests are smuggled"},
        Row{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "chunk size"},
        Row{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "unknown coding"},
        Row{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "stacked codings"},
        Row{"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400, "blank before the colon"},
        Row{"GET / HTTP/1.1\r\nHost: a\r\n folded: y\r\n\r\n", 0,
            "obsolete folding is joined to the line before"},
        Row{"GET / HTTP/1.0\r\n\r\n", 0, "HTTP/1.0 needs no Host"}}) {
    INFO(row.wire.substr(0, 80) << ": " << row.why);
    RequestParser parser(8192);
    CHECK(feed_all(parser, row.wire, 1000) == row.status);
    RequestParser slow(8192);
    CHECK(feed_all(slow, row.wire, 1) == row.status);
  }
}

TEST_CASE("chunks are counted together against the body's limit") {
  std::string wire = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 11; ++i) wire += "64\r\n" + std::string(100, 'x') + "\r\n";
  RequestParser parser(8192);
  CHECK(feed_all(parser, wire, 50) == 413);
}

TEST_CASE("the absolute form of a target is served as its path") {
  RequestParser parser(8192);
  CHECK(feed_all(parser, "GET http://a:80/x/y?z HTTP/1.1\r\nHost: a\r\n\r\n", 1000) == 0);
  CHECK(parser.request().path == "/x/y");
  CHECK(parser.request().query == "z");
}

TEST_CASE("an answer is read through interim ones, to its framing's end") {
  struct Row {
    std::string wire;
    bool ends;
    bool keep_alive;
    std::string why;
  };
  for (Row const& row :
       {Row{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true, true,
            "after a 100"},
        Row{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true, true,
            "chunked"},
        Row{"HTTP/1.1 200 OK\r\n\r\nok", false, false, "until the connection closes"},
        Row{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", true, false, "close"}}) {
    INFO(row.why);
    ResponseParser parser(8192, false);
    std::string buffer;
    std::string body;
    for (char const c : row.wire) {
      buffer += c;
      for (;;) {
        if (parser.done()) break;
        auto const used = parser.feed(buffer);
        REQUIRE(used.has_value());
        buffer.erase(0, *used);
        if (*used == 0 || buffer.empty()) break;
      }
      if (parser.header_done()) body += parser.take_body();
    }
    CHECK(parser.done() == row.ends);
    REQUIRE(parser.feed_end().has_value());
    CHECK(parser.done());
    CHECK(body == "ok");
    CHECK(parser.response().status == 200);
    CHECK(parser.keep_alive() == row.keep_alive);
  }
}

TEST_CASE("an answer that is cut short is an error, not a short answer") {
  for (std::string const wire :
       {"", "HTTP/1.1 200 OK\r\nContent-", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"}) {
    INFO(wire);
    ResponseParser parser(8192, false);
    std::string buffer = wire;
    while (!buffer.empty()) {
      auto const used = parser.feed(buffer);
      REQUIRE(used.has_value());
      if (*used == 0) break;
      buffer.erase(0, *used);
    }
    auto const ended = parser.feed_end();
    REQUIRE_FALSE(ended.has_value());
    CHECK(ended.error().kind == ErrorKind::Unavailable);
  }
}
