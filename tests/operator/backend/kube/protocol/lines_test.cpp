#include "operator/backend/kube/protocol/lines.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using ei::kube::LineSplitter;

namespace {

std::vector<std::string> drain(LineSplitter& splitter) {
  std::vector<std::string> lines;
  while (auto line = splitter.next()) lines.emplace_back(*line);
  return lines;
}

}  // namespace

TEST_CASE("lines come out whole wherever the bytes are cut") {
  std::string const stream = "{\"a\":1}\n{\"b\":2}\r\n\n{\"c\":3}\n";
  std::vector<std::string> const expected{"{\"a\":1}", "{\"b\":2}", "{\"c\":3}"};
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    LineSplitter splitter;
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      REQUIRE(splitter.feed(stream.substr(at, step)).has_value());
      for (auto& line : drain(splitter)) lines.push_back(std::move(line));
    }
    INFO("chunks of " << step);
    CHECK(lines == expected);
    CHECK_FALSE(splitter.partial());
  }
}

TEST_CASE("a half line is not a line, and is told") {
  LineSplitter splitter;
  REQUIRE(splitter.feed("{\"a\":1}\n{\"b\"").has_value());
  CHECK(drain(splitter) == std::vector<std::string>{"{\"a\":1}"});
  CHECK(splitter.partial());
}

TEST_CASE("a line over the cap is an error, many short ones are not") {
  LineSplitter splitter(8);
  CHECK(splitter.feed("1234\n5678\n1234\n5678\n").has_value());
  CHECK(drain(splitter).size() == 4);
  CHECK(splitter.feed("12345678").has_value());
  auto const fed = splitter.feed("9");
  REQUIRE_FALSE(fed.has_value());
  CHECK(fed.error().kind == ei::ErrorKind::Protocol);
}

TEST_CASE("a line over the cap is an error also behind a short one in the same chunk") {
  LineSplitter splitter(8);
  CHECK_FALSE(splitter.feed("1234\n123456789\n1234\n").has_value());
  LineSplitter other(8);
  CHECK(other.feed("1234\n12345678\n12").has_value());
  CHECK(drain(other) == std::vector<std::string>{"1234", "12345678"});
  CHECK(other.feed("345678\n").has_value());
  CHECK(drain(other) == std::vector<std::string>{"12345678"});
}
