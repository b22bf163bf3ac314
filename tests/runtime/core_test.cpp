#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <limits>
#include <set>
#include <sstream>

#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"
#include "runtime/core/units.hpp"

using namespace ei;
using namespace std::chrono_literals;

TEST_CASE("durations are read as Go writes them") {
  struct Row {
    std::string text;
    milliseconds expected;
    std::string why;
  };
  for (Row const& row :
       {Row{"150s", 150s, "plain"}, Row{"500ms", 500ms, "ms is not m then s"},
        Row{"1m30s", 90s, "parts add up"}, Row{"1h", 3600s, "hours"}, Row{"1.5h", 5400s, "fractions"},
        Row{"0", 0ms, "zero needs no unit"}, Row{"0s", 0ms, "zero with unit"},
        Row{"1us", 0ms, "rounds to the nearest millisecond"}, Row{"1600us", 2ms, "rounds up from a half"},
        Row{"000000001.000000001s", 1000ms, "nine digits on both sides"}}) {
    INFO(row.text << ": " << row.why);
    auto const read = parse_duration(row.text);
    REQUIRE(read.has_value());
    CHECK(*read == row.expected);
  }
}

TEST_CASE("what is no duration is refused") {
  for (std::string const text :
       {"", "5", "s", "-5s", "5 s", "5sec", "1.2.3s", ".s", "99999999999h", "5s ", "1e3s",
        // What Go reads too, and the CRD's pattern does not.
        ".5s", "1.s", "0000000001s", "0.0000000001s", "1m.5s"}) {
    INFO(text);
    auto const read = parse_duration(text);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().kind == ErrorKind::Invalid);
  }
}

TEST_CASE("a written duration reads back as itself") {
  for (milliseconds const value :
       {0ms, 1ms, 999ms, 1000ms, 90'500ms, 3'600'000ms, 3'661'001ms, 86'400'000ms}) {
    auto const text = format_duration(value);
    INFO(text);
    CHECK(*parse_duration(text) == value);
  }
  CHECK(format_duration(90s) == "1m30s");
  CHECK(format_duration(-5s) == "-5s");
}

TEST_CASE("quantities are read as Kubernetes writes them") {
  struct Row {
    std::string text;
    std::int64_t milli;
    std::string why;
  };
  for (Row const& row : {Row{"1", 1000, "units"}, Row{"500m", 500, "milli"}, Row{"0.5", 500, "fraction"},
                         Row{"1Gi", (1LL << 30) * 1000, "binary"}, Row{"0.5Ki", 512'000, "binary fraction"},
                         Row{"128M", 128'000'000'000, "decimal"}, Row{"1e3", 1'000'000, "exponent"},
                         Row{"1E3", 1'000'000, "big E"}, Row{"1u", 1, "rounded up"},
                         Row{"100n", 1, "rounded up, never to nothing"}, Row{"+2", 2000, "sign"},
                         Row{"0", 0, "zero"}, Row{"1.0001", 1001, "rounded up"}}) {
    INFO(row.text << ": " << row.why);
    auto const read = parse_quantity_milli(row.text);
    REQUIRE(read.has_value());
    CHECK(*read == row.milli);
  }
}

TEST_CASE("what is no quantity is refused") {
  for (std::string const text :
       {"", "-1", "1Gb", "G", "1 Gi", "1.2.3", "100Ei", "1e99", "0x10", "1ki", "1Ki2"}) {
    INFO(text);
    CHECK_FALSE(parse_quantity_milli(text).has_value());
  }
}

TEST_CASE("times are written and read with microseconds") {
  auto const time = parse_rfc3339("2026-11-24T00:41:22.123456Z");
  REQUIRE(time.has_value());
  CHECK(format_rfc3339(*time) == "2026-11-24T00:41:22.123456Z");
  CHECK(format_rfc3339_seconds(*time) == "2026-11-24T00:41:22Z");
  CHECK(*parse_rfc3339("2026-11-24T02:41:22.123456789+02:00") == *time);
  CHECK(*parse_rfc3339("2026-11-23T19:11:22.123456-05:30") == *time);
  CHECK(format_rfc3339_seconds(*parse_rfc3339("9999-12-31T23:59:59Z")) == "2262-01-01T00:00:00Z");
  CHECK(format_rfc3339_seconds(*parse_rfc3339("1013-05-24T00:41:22+01:00")) == "1678-01-01T00:00:00Z");
  CHECK(format_rfc3339(WallTime{}) == "1970-01-01T00:00:00.000000Z");
  CHECK(format_rfc3339(WallTime{-1us}) == "1969-12-31T23:59:59.999999Z");
}

TEST_CASE("what is no time is refused") {
  for (std::string const text :
       {"", "2026-11-24", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-24T24:00:00Z",
        "2026-11-24T00:00:00", "2026-11-24T00:00:00.Z", "2026-11-24T00:00:00Zx"}) {
    INFO(text);
    CHECK_FALSE(parse_rfc3339(text).has_value());
  }
}

TEST_CASE("base64 follows RFC 4648's test vectors") {
  std::pair<std::string, std::string> const rows[] = {{"", ""},
                                                      {"f", "Zg=="},
                                                      {"fo", "Zm8="},
                                                      {"foo", "Zm9v"},
                                                      {"foob", "Zm9vYg=="},
                                                      {"fooba", "Zm9vYmE="},
                                                      {"foobar", "Zm9vYmFy"}};
  for (auto const& [plain, coded] : rows) {
    CHECK(base64_encode(plain) == coded);
    CHECK(*base64_decode(coded) == plain);
  }
  CHECK(*base64_decode("Zm9v\nYg") == "foob");
  CHECK_FALSE(base64_decode("Zm9v*").has_value());
  CHECK_FALSE(base64_decode("Z").has_value());
  CHECK_FALSE(base64_decode("Zg==Zg==").has_value());
  CHECK_FALSE(base64_decode("Zg===").has_value());
}

TEST_CASE("percent escapes go both ways") {
  CHECK(percent_encode("a b/ü~") == "a%20b%2F%C3%BC~");
  CHECK(*percent_decode("a%20b%2f%41") == "a b/A");
  for (std::string const text : {"%", "%4", "%zz", "a%"}) CHECK_FALSE(percent_decode(text).has_value());
  CHECK(hex_encode(std::string("\x00\xff\x10", 3)) == "00ff10");
}

TEST_CASE("UTF-8 is told from other bytes") {
  for (std::string const text : {"", "plain", "ü€😀"}) CHECK(is_utf8(text));
  struct Row {
    std::string text;
    std::string why;
  };
  for (Row const& row :
       {Row{"\xff", "never a lead byte"}, Row{"\xc3", "cut"}, Row{"\xc0\xaf", "overlong slash"},
        Row{"\xe0\x80\x80", "overlong"}, Row{"\xed\xa0\x80", "surrogate"},
        Row{"\xf4\x90\x80\x80", "over U+10FFFF"}, Row{"\x80", "follower alone"}}) {
    INFO(row.why);
    CHECK_FALSE(is_utf8(row.text));
    CHECK(is_utf8(to_utf8("a" + row.text + "ü")));
  }
}

TEST_CASE("bytes that are no text are replaced one by one, and text stays as it is") {
  CHECK(to_utf8("ü€😀") == "ü€😀");
  CHECK(to_utf8("a\xff\xc3z\xe2\x82") == "a\uFFFD\uFFFDz\uFFFD\uFFFD");
}

TEST_CASE("a text is clipped between two characters") {
  CHECK(clipped("abc", 3) == "abc");
  CHECK(clipped("abc", 2) == "ab");
  CHECK(clipped("a€b", 4) == "a€");
  CHECK(clipped("a€b", 3) == "a");
  CHECK(clipped("€", 1).empty());
}

TEST_CASE("JSON members are found by path and faults are placed") {
  auto const value = parse_json(R"({"a": {"b": {"c": "x"}}, "n": 1})");
  REQUIRE(value.has_value());
  CHECK(string_or(*value, "a.b.c") == "x");
  CHECK(string_or(*value, "a.z.c", "none") == "none");
  CHECK(string_or(*value, "n", "no string") == "no string");
  CHECK(find_member(*value, "a.b.c.d") == nullptr);
  for (std::string const text : {"", "{", "{\"a\":}", "[1] 2"}) {
    INFO(text);
    auto const broken = parse_json(text);
    REQUIRE_FALSE(broken.has_value());
    CHECK(broken.error().message.find("byte") != std::string::npos);
  }
  CHECK_FALSE(parse_json(std::string(40, '[') + std::string(40, ']')).has_value());
}

TEST_CASE("value() of a failed result throws its error") {
  Result<int> const failed = make_error(ErrorKind::Gone, "too old");
  CHECK_THROWS_AS(failed.value(), ResultError);
  CHECK(with_context(failed.error(), "list").message == "list: too old");
}

TEST_CASE("JSON text has numbers as people write them and reads back the same") {
  boost::json::value const value{{"a", 12.5},
                                 {"b \"quoted\"", {0.1, 1e300, -2.0, 7, true, nullptr, "x\n"}},
                                 {"c", boost::json::object()},
                                 {"d", boost::json::array()},
                                 {"e", std::numeric_limits<double>::quiet_NaN()}};
  std::string const text = to_json_text(value);
  CHECK(text == R"({"a":12.5,"b \"quoted\"":[0.1,1e+300,-2,7,true,null,"x\n"],"c":{},"d":[],"e":null})");
  auto const back = parse_json(text);
  REQUIRE(back.has_value());
  CHECK(back->at("a") == 12.5);
  CHECK(to_json_text("plain") == "\"plain\"");
}

TEST_CASE("numbers in JSON are written as people write them, and read back the same") {
  auto const text = GENERATE(values<std::pair<double, std::string>>({{100000.0, "100000"},
                                                                     {1e15, "1000000000000000"},
                                                                     {1e16, "1e+16"},
                                                                     {0.000012, "0.000012"},
                                                                     {1e-7, "1e-07"},
                                                                     {-55.9, "-55.9"},
                                                                     {0.1 + 0.2, "0.30000000000000004"},
                                                                     {0.0, "0"}}));
  CHECK(to_json_text(text.first) == text.second);
  CHECK(parse_json(text.second)->to_number<double>() == text.first);
}

TEST_CASE("each kind of an error has a name of its own for logs and labels") {
  std::set<std::string_view> names;
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::Io); ++kind)
    names.insert(to_string(static_cast<ErrorKind>(kind)));
  CHECK(names.size() == static_cast<std::size_t>(ErrorKind::Io) + 1);
  CHECK(names.count("unknown") == 0);
  std::ostringstream out;
  out << with_context(make_error(ErrorKind::TooMany, "slow down"), "the API server");
  CHECK(out.str() == "too_many: the API server: slow down");
}
