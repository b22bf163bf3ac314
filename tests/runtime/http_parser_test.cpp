#include <catch2/catch.hpp>

#include "runtime/http/head.hpp"
#include "runtime/http/parser.hpp"
#include "tests/runtime/repeated.hpp"

using namespace ei;
using namespace ei::http;
using test::repeated;

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
        Row{"GET / HTTP/1.1\r\nHost: a\r\n folded: y\r\n\r\n", 400,
            "obsolete folding: readers differ about it"},
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

namespace {

std::string post(std::string const& fields, std::string const& body) {
  return "POST /x HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body;
}

std::string chunked(std::string const& body) {
  return post("Transfer-Encoding: chunked\r\n", body);
}

// Bytes of a message that a parser took before it refused it; all of them where it did not.
template <class Parser>
std::size_t taken_of(Parser& parser, std::string_view piece, std::size_t most) {
  std::size_t sent = 0;
  while (sent < most) {
    auto const used = parser.feed(piece);
    if (!used) return sent;
    sent += piece.size();
  }
  return sent;
}

}  // namespace

TEST_CASE("a header is counted however it arrives") {
  std::string const start = "POST /predict HTTP/1.1\r\nHost: x\r\n";
  struct Row {
    std::string piece, why;
  };
  for (Row const& row :
       {Row{repeated(":\r\na", 1900), "each piece ends one byte into the next field"},
        Row{"a: b\r\n", "whole fields"}, Row{"a", "one name without an end"}, Row{"a:", "names or values"},
        Row{"\r\na: b", "each piece begins with the end of the field before"}}) {
    INFO(row.why);
    RequestParser parser(16 * 1024);
    REQUIRE(parser.feed(start + "a").has_value());
    CHECK(taken_of(parser, row.piece, 1'000'000) <= 16 * 1024);
    auto const fault = parser.feed("a");
    REQUIRE_FALSE(fault.has_value());
    CHECK((fault.error().http_status == 431 || fault.error().http_status == 400));
  }
}

TEST_CASE("a header may have exactly its bytes and its fields, and not one more") {
  auto const with_fields = [](std::size_t more) { return post(repeated("a: b\r\n", more), ""); };
  auto const with_bytes = [](std::size_t size) {
    std::string const rest = post("X: \r\n", "");
    return post("X: " + std::string(size - rest.size(), 'x') + "\r\n", "");
  };
  for (std::size_t const step : {1UL, 2UL, 3UL, 1000UL, 20'000UL}) {
    INFO("step " << step);
    struct Row {
      std::string wire;
      int status;
    };
    for (Row const& row : {Row{with_fields(kMaxFields - 1), 0}, Row{with_fields(kMaxFields), 431},
                           Row{with_bytes(16 * 1024), 0}, Row{with_bytes(16 * 1024 + 1), 431}}) {
      RequestParser parser(16 * 1024);
      CHECK(feed_all(parser, row.wire, step) == row.status);
    }
  }
}

TEST_CASE("trailers spend what the header has left") {
  std::string const wire = chunked("1\r\nx\r\n0\r\n");
  for (std::size_t const step : {1UL, 7UL, 100'000UL}) {
    INFO("step " << step);
    RequestParser bytes(16 * 1024);
    CHECK(feed_all(bytes, wire + "X: " + std::string(17'000, 'x') + "\r\n\r\n", step) == 431);
    RequestParser fields(16 * 1024);
    CHECK(feed_all(fields, wire + repeated("a: b\r\n", 100) + "\r\n", step) == 431);
    RequestParser fine(16 * 1024);
    CHECK(feed_all(fine, wire + repeated("a: b\r\n", 90) + "\r\n", step) == 0);
    CHECK(fine.done());
  }
}

TEST_CASE("empty lines before a request are skipped, as far as a header's bytes go") {
  for (std::size_t const step : {1UL, 3UL, 1000UL}) {
    RequestParser parser(8192);
    CHECK(feed_all(parser, "\r\n\r\n" + post("Content-Length: 2\r\n", "ok"), step) == 0);
    CHECK(parser.request().body == "ok");
    RequestParser flooded(8192);
    CHECK(feed_all(flooded, repeated("\r\n", 5000), step) == 431);
  }
  RequestParser waiting(8192);
  REQUIRE(waiting.feed("\r\n\r").has_value());
  CHECK_FALSE(waiting.begun());
  REQUIRE(waiting.feed("\nG").has_value());
  CHECK(waiting.begun());
}

TEST_CASE("what two readers could understand in two ways is refused") {
  struct Row {
    std::string wire;
    int status;
    std::string why;
  };
  std::string const nul(1, '\0');
  for (Row const& row :
       {Row{chunked("5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"), 400, "a bare LF inside a quoted extension"},
        Row{chunked("5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n"), 400, "a quote that its line does not close"},
        Row{chunked("5;\n\r\nhello\r\n0\r\n\r\n"), 400, "a bare LF in an extension"},
        Row{chunked("5\nhello\r\n0\r\n\r\n"), 400, "a size line that ends in LF"},
        Row{chunked("5\rhello\r\n0\r\n\r\n"), 400, "a size line that ends in CR"},
        Row{chunked("5 \r\nhello\r\n0\r\n\r\n"), 400, "a blank after the size"},
        Row{chunked(" 5\r\nhello\r\n0\r\n\r\n"), 400, "a blank before the size"},
        Row{chunked("+5\r\nhello\r\n0\r\n\r\n"), 400, "a sign"},
        Row{chunked("-5\r\nhello\r\n0\r\n\r\n"), 400, "a negative size"},
        Row{chunked("0x5\r\nhello\r\n0\r\n\r\n"), 400, "0x"},
        Row{chunked("5_0\r\nhello\r\n0\r\n\r\n"), 400, "a digit separator"},
        Row{chunked("\r\nhello\r\n0\r\n\r\n"), 400, "no size"},
        Row{chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"), 413, "a size that wraps around"},
        Row{chunked("5\r\nhelloX\r\n0\r\n\r\n"), 400, "data longer than its size"},
        Row{chunked("5\r\nhello\n0\r\n\r\n"), 400, "data that ends in LF"},
        Row{chunked("5\r\nhello0\r\n\r\n"), 400, "data that does not end"},
        Row{chunked("0\r\nbad\r\n\r\n"), 400, "a trailer that is no field"},
        Row{chunked("0\r\na: b\n\r\n"), 400, "a trailer that ends in LF"},
        Row{chunked("5;=x\r\nhello\r\n0\r\n\r\n"), 400, "an extension without a name"},
        Row{chunked("5;a=\"b\\\"c\" ; d\r\nhello\r\n0\r\n\r\n"), 0, "extensions as they should be"},
        Row{chunked("00000000000000000005\r\nhello\r\n0\r\n\r\n"), 0, "zeros before a size"},
        Row{post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400, "CL.TE"},
        Row{post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"), 400, "TE.CL"},
        Row{post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", "0\r\n\r\n"), 501, "TE.TE"},
        Row{post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), 501, "another coding"},
        Row{post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"), 501, "a list"},
        Row{post("Transfer-Encoding:\r\n", "0\r\n\r\n"), 501, "an empty coding"},
        Row{post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400, "a blank before the colon"},
        Row{post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"), 400, "a tab before the colon"},
        Row{post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), 400, "a folded coding"},
        Row{post(" Content-Length: 5\r\n", "hello"), 400, "a field that looks folded"},
        Row{post("Transfer-Encoding: \x0b"
                 "chunked\r\n",
                 "0\r\n\r\n"),
            400, "a vertical tab"},
        Row{post("X: a\rTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400, "a bare CR in a value"},
        Row{post("X: a\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400, "a bare LF in a value"},
        Row{post("X: a" + nul + "b\r\n", ""), 400, "a zero byte"},
        Row{post("X\x01: a\r\n", ""), 400, "a control character in a name"},
        Row{post(": a\r\n", ""), 400, "no name"},
        Row{post("no colon\r\n", ""), 400, "no colon"},
        Row{post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), 400, "the same length twice"},
        Row{post("Content-Length: 5, 5\r\n", "hello"), 400, "a list of lengths"},
        Row{post("Content-Length: +5\r\n", "hello"), 400, "a sign"},
        Row{post("Content-Length: 0x5\r\n", "hello"), 400, "a hexadecimal length"},
        Row{post("Content-Length: 5 5\r\n", "hello"), 400, "two numbers"},
        Row{post("Content-Length: 5.0\r\n", "hello"), 400, "a fraction"},
        Row{post("Content-Length:\r\n", "hello"), 400, "no length"},
        Row{post("Content-Length: 18446744073709551621\r\n", "hello"), 413,
            "a length that wraps around to 5"},
        Row{post("Content-Length: 005\r\n", "hello"), 0, "zeros before a length"},
        Row{"POST  /x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "two blanks"},
        Row{"POST /x  HTTP/1.1\r\nHost: a\r\n\r\n", 400, "two blanks before the version"},
        Row{"POST\t/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "a tab"},
        Row{"POST /x y HTTP/1.1\r\nHost: a\r\n\r\n", 400, "a blank in the target"},
        Row{" POST /x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "a blank before the method"},
        Row{"POST /x HTTP/1.1 \r\nHost: a\r\n\r\n", 400, "a blank after the version"},
        Row{"POST /x http/1.1\r\nHost: a\r\n\r\n", 400, "the version's case"},
        Row{"POST /x HTTP/1.10\r\nHost: a\r\n\r\n", 400, "a longer version"},
        Row{"POST /x\r\n\r\n", 400, "HTTP/0.9"},
        Row{"P(ST /x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "the method"},
        Row{"POST /x HTTP/1.1\r\n Host: a\r\n\r\n", 400, "a blank before the first field"},
        Row{"\nPOST /x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "an empty line that ends in LF"}}) {
    INFO(row.why);
    for (std::size_t const step : {1UL, 2UL, 5UL, 1000UL}) {
      RequestParser parser(8192);
      CHECK(feed_all(parser, row.wire, step) == row.status);
      if (row.status == 0) CHECK(parser.request().body == "hello");
    }
  }
}

TEST_CASE("chunks with more framing than data are refused") {
  std::string wire = chunked("");
  for (int i = 0; i < 1000; ++i) wire += "1;" + std::string(100, 'e') + "\r\nx\r\n";
  RequestParser parser(16 * 1024);
  CHECK(feed_all(parser, wire + "0\r\n\r\n", 1000, 100'000) == 400);
  std::string tiny = chunked("");
  for (int i = 0; i < 10'000; ++i) tiny += "1\r\nx\r\n";
  RequestParser fine(16 * 1024);
  CHECK(feed_all(fine, tiny + "0\r\n\r\n", 1000, 100'000) == 0);
  CHECK(fine.request().body.size() == 10'000);
  RequestParser endless(16 * 1024);
  CHECK(feed_all(endless, chunked("5;" + std::string(5000, 'e')), 1) == 400);
}
