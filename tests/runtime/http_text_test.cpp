#include <catch2/catch.hpp>

#include "runtime/core/json.hpp"
#include "runtime/http/client.hpp"
#include "runtime/http/message.hpp"
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
  CHECK(string_or(*body, "detail") == "nothing at \uFFFD");
  CHECK(string_or(*body, "error") == "nothing at \uFFFD");  // what inference protocol clients read
}

TEST_CASE("query values and header parameters are found and decoded") {
  CHECK(query_value("a=1&b=x%20y+z", "b") == "x y z");
  CHECK(query_value("a=1&b", "b") == "");
  CHECK_FALSE(query_value("a=1", "b").has_value());
  CHECK_FALSE(query_value("a=%zz", "a").has_value());
  using Pairs = std::vector<std::pair<std::string, std::optional<std::string>>>;
  CHECK(query_pairs("a=1&&b=x%20y+z&c&d=%zz&a=2") ==
        Pairs{{"a", "1"}, {"b", "x y z"}, {"c", ""}, {"d", std::nullopt}, {"a", "2"}});
  CHECK(query_pairs("").empty());
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
