#include "bench/sim/trace_formats.hpp"

#include <catch2/catch.hpp>
#include <numeric>

using namespace ei;
using namespace ei::bench;

namespace {

Trace read(std::string_view text, TraceFormat format = TraceFormat::Auto) {
  return read_trace(text, format, 1).value();
}

std::string complaint(std::string_view text, TraceFormat format = TraceFormat::Auto) {
  auto const trace = read_trace(text, format, 1);
  return trace ? "" : trace.error().message;
}

constexpr char const* kInvocations =
    "HashOwner,HashApp,HashFunction,Trigger,1,2,3\n"
    "a,b,c,http,60,0,1\n"
    "a,b,d,timer,30,0,2\n";

}  // namespace

TEST_CASE("a trace is integers, however they are separated") {
  CHECK(read("1\n2\n3\n") == Trace{1, 2, 3});
  CHECK(read("1,2, 3") == Trace{1, 2, 3});
  CHECK(read("\xEF\xBB\xBF# per second\r\n 0\t7 # a comment\n") == Trace{0, 7});
}

TEST_CASE("timestamps are counted from the first one on, in any order and unit") {
  CHECK(read("2021-04-01T12:00:00.9Z\n2021-04-01T12:00:03Z\n2021-04-01T12:00:01.8Z\n") == Trace{2, 0, 1});
  CHECK(read("2021-04-01 12:00:00\n2021-04-01 12:00:01\n") == Trace{1, 1});
  CHECK(read("2021-04-01T12:00:00+02:00\n2021-04-01T10:00:02Z\n") == Trace{1, 0, 1});
  CHECK(read("timestamp,size\n1617278400.5,12\n1617278402.25,3\n") == Trace{1, 1});
  CHECK(read("1617278400000\n1617278401500\n") == Trace{1, 1});
  CHECK(read("1617278400000000\n1617278401500000\n") == Trace{1, 1});
  CHECK(read("1617278400000000000\n1617278401500000000\n") == Trace{1, 1});
  CHECK(read("3\n3\n5\n", TraceFormat::Timestamps) == Trace{2, 0, 1});
}

TEST_CASE("invocations a minute are spread over its seconds, the same with the same seed") {
  auto const trace = read(kInvocations);
  REQUIRE(trace.size() == 180);
  auto const minute = [&](int number) {
    return std::accumulate(trace.begin() + 60 * number, trace.begin() + 60 * (number + 1), 0);
  };
  CHECK(minute(0) == 90);
  CHECK(minute(1) == 0);
  CHECK(minute(2) == 3);
  CHECK(trace == read(kInvocations));
  CHECK_FALSE(trace == read_trace(kInvocations, TraceFormat::Auto, 2).value());
}

TEST_CASE("what is no trace is refused with the line, the value and what is allowed") {
  struct Row {
    std::string text;
    TraceFormat format;
    char const* says;
  };
  for (Row const& row : {
           Row{"", TraceFormat::Auto, "the trace is empty"},
           Row{"# nothing\n", TraceFormat::Auto, "the trace is empty"},
           Row{"1\n3 seven", TraceFormat::Auto,
               "line 2: 'seven': requests in a second: an integer from 0 to"},
           Row{"1\n-2", TraceFormat::Auto, "line 2: '-2'"},
           Row{"1\n1000001", TraceFormat::Auto, "line 2: '1000001'"},
           Row{"1\n2.5", TraceFormat::Auto, "line 2: '2.5'"},
           Row{"2021-04-01T12:00:00Z\nyesterday", TraceFormat::Auto,
               "line 2: 'yesterday': an instant: RFC 3339"},
           Row{"0.5\n9000000.5", TraceFormat::Auto, "line 2: '9000000.500000': more than 31 days"},
           Row{"a,b\n1,2\n", TraceFormat::Invocations, "line 1: 'a,b': a heading such as HashOwner"},
           Row{"HashFunction,1,2\na,3\n", TraceFormat::Auto, "line 2: 'a,3': as many columns as the heading"},
           Row{"HashFunction,1,2\na,3,4,5\n", TraceFormat::Auto, "line 2"},
           Row{"HashFunction,1\na,x\n", TraceFormat::Auto, "line 2: 'x': invocations in a minute"},
           Row{"HashFunction,1\na,900000000\n", TraceFormat::Auto, "minute 1: "},
       }) {
    INFO(row.text);
    CHECK_THAT(complaint(row.text, row.format), Catch::Contains(row.says));
  }
}

TEST_CASE("a window is cut out, and the rest is scaled to a peak") {
  Trace const trace{0, 1, 2, 10, 4, 5};
  auto const window = read_window("1s+3");
  REQUIRE(window.has_value());
  CHECK(*cut(trace, *window) == Trace{1, 2, 10});
  CHECK(read_window("1h30m+21m")->from == 5400);
  CHECK(read_window("1h30m+21m")->length == 1260);
  CHECK(*std::max_element(trace.begin(), trace.end()) == 10);
  CHECK(*scale_to(trace, 20) == Trace{0, 2, 4, 20, 8, 10});
  CHECK_FALSE(cut(trace, *read_window("4+3")).has_value());
  CHECK_FALSE(scale_to({0, 0}, 3).has_value());
  for (char const* wrong :
       {"", "5", "5-3", "+", "1+", "+1", "1+0", "1.5+3", "1+-3", "1+500ms", "999999999+1"}) {
    INFO(wrong);
    CHECK_FALSE(read_window(wrong).has_value());
  }
}
