#include "runtime/core/request_tag.hpp"

#include <catch2/catch.hpp>

using namespace ei;

namespace {

std::string const kTrace = "0af7651916cd43dd8448eb211c80319c";
std::string const kParent = "b7ad6b7169203331";
std::string const kGood = "00-" + kTrace + "-" + kParent + "-01";

}  // namespace

TEST_CASE("a traceparent is read as W3C Trace Context says") {
  struct Row {
    std::string header;
    std::string read;  // empty: invalid
    std::string why;
  };
  std::string const unsampled = "00-" + kTrace + "-" + kParent + "-00";
  for (Row const& row : std::vector<Row>{
           {kGood, kGood, "as it should be"},
           {" " + kGood + "\t", kGood, "blanks around it"},
           {unsampled, unsampled, "not sampled"},
           {"00-" + kTrace + "-" + kParent + "-ff", kGood, "flags that are not known are not passed on"},
           {"00-" + kTrace + "-" + kParent + "-fe", unsampled, "the same without sampled"},
           {"00-" + kTrace + "-" + kParent + "-0A", "", "upper-case flags"},
           {"01-" + kTrace + "-" + kParent + "-01", kGood, "a later version of the same length"},
           {"cc-" + kTrace + "-" + kParent + "-01-what-else", kGood, "a longer later version"},
           {"cc-" + kTrace + "-" + kParent + "-01-", kGood, "one whose more is empty"},
           {"cc-" + kTrace + "-" + kParent + "-01.what", "", "a longer one without the dash"},
           {"00-" + kTrace + "-" + kParent + "-01-what", "", "version 00 has no more"},
           {kGood + "-", "", "not even a dash"},
           {"ff-" + kTrace + "-" + kParent + "-01", "", "version ff is forbidden"},
           {"0-" + kTrace + "-" + kParent + "-01", "", "a short version"},
           {"CC-" + kTrace + "-" + kParent + "-01", "", "an upper-case version"},
           {"00-0AF7651916CD43DD8448EB211C80319C-" + kParent + "-01", "", "an upper-case trace-id"},
           {"00-" + kTrace + "-B7AD6B7169203331-01", "", "an upper-case parent-id"},
           {"00-" + std::string(32, '0') + "-" + kParent + "-01", "", "a trace-id of zeros"},
           {"00-" + kTrace + "-" + std::string(16, '0') + "-01", "", "a parent-id of zeros"},
           {"00_" + kTrace + "-" + kParent + "-01", "", "another dash"},
           {"00-" + kTrace + "-" + kParent, "", "no flags"},
           {"00-" + kTrace + "-" + kParent + "-1", "", "short flags"},
           {"00-" + kTrace.substr(1) + "-" + kParent + "0-01", "", "fields of other lengths"},
           {kGood + "," + kGood, "", "two in one header"},
           {"", "", "empty"},
           {"   ", "", "blanks alone"},
       }) {
    INFO(row.why << ": " << row.header);
    CHECK(read_traceparent(row.header).value_or("") == row.read);
  }
}

TEST_CASE("a tracestate is read as W3C Trace Context says") {
  struct Row {
    std::vector<std::string_view> headers;
    std::string read;
    std::string why;
  };
  for (Row const& row : std::vector<Row>{
           {{"a=1"}, "a=1", "one member"},
           {{"a=1, b=2 ,\tc=3"}, "a=1,b=2,c=3", "blanks between members"},
           {{"a=1", "b=2"}, "a=1,b=2", "several headers"},
           {{"a=1,,b=2", ""}, "a=1,b=2", "empty members"},
           {{"fw529a3039@dt=FfD9", "0tenant@a=x y"}, "fw529a3039@dt=FfD9,0tenant@a=x y", "tenants"},
           {{"a_-*/0=!\"#$%&'()*+-./:;<>?@[]^_`{|}~"}, "a_-*/0=!\"#$%&'()*+-./:;<>?@[]^_`{|}~", "all marks"},
           {{}, "", "none"},
           {{"a"}, "", "no value"},
           {{"a="}, "", "an empty value"},
           {{"a=1=2"}, "", "an equals sign in a value"},
           {{"A=1"}, "", "an upper-case key"},
           {{"0a=1"}, "", "a key that begins with a digit"},
           {{"@a=1"}, "", "no tenant"},
           {{"a@=1"}, "", "no system"},
           {{"a@b@c=1"}, "", "two systems"},
           {{"a =1"}, "", "a blank in a key"},
           {{"a=1\x7f"}, "", "a control character"},
           {{"a=\xc3\xa4"}, "", "no ASCII"},
           {{"a=1,a=2"}, "", "a key twice"},
           {{"a=1", "b"}, "", "one bad header spoils all"},
       }) {
    INFO(row.why);
    CHECK(read_tracestate(row.headers) == row.read);
  }
}

TEST_CASE("a tracestate is bounded, and what is long goes first") {
  std::string many;
  for (int i = 0; i < 32; ++i) many += (i ? ",k" : "k") + std::to_string(i) + "=1";
  CHECK(read_tracestate({many}) == many);
  CHECK(read_tracestate({many + ",more=1"}).empty());
  std::string const large = "large=" + std::string(256, 'x');
  std::string const part = std::string(100, 'y');
  std::string const small = "a=" + part + ",b=" + part + ",c=" + part + ",d=" + part;
  CHECK(read_tracestate({large + "," + small}) == small);
  CHECK(read_tracestate({small + ",e=" + part + ",f=1"}) == small);
  CHECK(read_tracestate({large}) == large);
  CHECK(read_tracestate({large + "x"}).empty());
}

TEST_CASE("a request id is of safe characters and bounded") {
  for (std::string const good : {"a", "7d0c1a2b-0000-4000-8000-000000000000",
                                 "Root=1-67891233-abcdef012345678912345678", "a.b_c~d:e+f/g=h@i"})
    CHECK(is_request_id(good));
  CHECK(is_request_id(std::string(kMaxRequestId, 'x')));
  CHECK_FALSE(is_request_id(std::string(kMaxRequestId + 1, 'x')));
  for (std::string const bad : {"", " ", "a b", "a\"b", "a\\b", "a\nb", "<a>", "a;b", "a,b", "$(a)", "`a`",
                                "a'b", "{}", "%0a", "\xc3\xa4", "a\x7f"})
    CHECK_FALSE(is_request_id(bad));
  CHECK_FALSE(is_request_id(std::string_view("a\0b", 3)));
}
