#include <catch2/catch.hpp>

#include "runtime/http/parser.hpp"
#include "tests/runtime/repeated.hpp"

using namespace ei;
using namespace ei::http;
using test::repeated;

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

TEST_CASE("an answer's heads are counted together, however they arrive") {
  struct Row {
    std::string start, piece, why;
  };
  std::string const ok = "HTTP/1.1 200 OK\r\n";
  for (Row const& row :
       {Row{"", "HTTP/1.1 100 Continue\r\n\r\n", "interim answers in a row"},
        Row{"", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", "interim answers with fields"},
        Row{ok + "a", ":\r\na", "fields cut after the next one's first byte"}, Row{ok, "a: b\r\n", "fields"},
        Row{ok + "a: b\r\n", " folded\r\n", "folded lines"}, Row{"HTTP/1.1 200 ", "x", "an endless reason"},
        Row{ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n", "a: b\r\n", "trailers"},
        Row{ok + "Transfer-Encoding: chunked\r\n\r\n", "1;e\r\n", "broken chunks"},
        Row{ok + "Transfer-Encoding: chunked\r\n\r\n5;", "e", "an endless extension"}}) {
    INFO(row.why);
    for (std::size_t const step : {std::size_t{1}, row.piece.size()}) {
      ResponseParser parser(16 * 1024, false);
      REQUIRE(parser.feed(row.start).has_value());
      std::string const all = repeated(row.piece, 40'000 / row.piece.size());
      std::size_t sent = 0;
      Result<std::size_t> used{std::size_t{0}};
      while (used && sent < all.size()) {
        used = parser.feed(std::string_view(all).substr(sent, step));
        sent += step;
      }
      REQUIRE_FALSE(used.has_value());
      CHECK(used.error().kind == ErrorKind::Protocol);
      CHECK(sent <= 16 * 1024 + step);
    }
  }
}

TEST_CASE("an answer with broken framing is refused, and what is only unusual is read") {
  struct Row {
    std::string wire;
    bool fine;
    std::string why;
  };
  std::string const ok = "HTTP/1.1 200 OK\r\n";
  for (Row const& row :
       {Row{ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", false, "both framings"},
        Row{ok + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", false, "two lengths"},
        Row{ok + "Content-Length: -2\r\n\r\nok", false, "a negative length"},
        Row{ok + "Transfer-Encoding: gzip\r\n\r\nok", false, "a coding that is not known"},
        Row{ok + "X: a\nb\r\n\r\n", false, "a bare LF"}, Row{"HTTP/2 200 OK\r\n\r\n", false, "version"},
        Row{"HTTP/1.1 2x0 OK\r\n\r\n", false, "status"}, Row{"SSH-2.0-OpenSSH_9.2\r\n", false, "no HTTP"},
        Row{"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", true, "no reason"},
        Row{ok + "X: a\r\n b\r\nContent-Length: 2\r\n\r\nok", true, "a folded field"},
        Row{ok + "Transfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n", true, "a padded chunk size"}}) {
    INFO(row.why);
    for (std::size_t const step : {1UL, 1000UL}) {
      ResponseParser parser(8192, false);
      Result<std::size_t> used{std::size_t{0}};
      for (std::size_t at = 0; used && at < row.wire.size(); at += step)
        used = parser.feed(std::string_view(row.wire).substr(at, step));
      CHECK(used.has_value() == row.fine);
      if (row.fine) CHECK(parser.take_body() == "ok");
    }
  }
}
