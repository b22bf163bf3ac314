#include <catch2/catch.hpp>

#include "inference/labels/labels.hpp"

using namespace ei;
using namespace ei::inference;

TEST_CASE("labels: every form that people keep class names in gives the same names") {
  struct Row {
    std::string text;
    std::string why;
  };
  // All of them name tench 0 and "cock, rooster" 1.
  auto const row = GENERATE(values<Row>({
      {"tench\ncock, rooster\n", "one name a line"},
      {"\xEF\xBB\xBF  tench \r\n\tcock, rooster\r\n\r\n \n", "white space, CRLF, byte order mark, empty end"},
      {R"(["tench", "cock, rooster"])", "a JSON list"},
      {"[\n  \"tench\",\n  \"cock, rooster\"\n]\n", "a JSON list over lines"},
      {R"({"0": ["n01440764", "tench"], "1": ["n01514668", "cock, rooster"]})",
       "Keras's imagenet_class_index"},
      {R"({"1": "cock, rooster", "0": "tench"})", "a JSON dictionary, in any order"},
      {R"({"tench": 0, "cock, rooster": 1})", "class_to_idx"},
      {R"({"model": "x", "id2label": {"0": "tench", "1": "cock, rooster"}, "label2id": {"tench": 0}})",
       "transformers' config.json"},
      {R"({"label2id": {"tench": 0, "cock, rooster": 1}})", "label2id"},
      {R"({"classes": ["tench", "cock, rooster"], "version": 3})", "a list under a known key"},
      {R"({"anything": {"0": "tench", "1": "cock, rooster"}})", "under a single key"},
      {R"([["n01440764", "tench"], ["n01514668", "cock, rooster"]])", "pairs"},
      {R"([{"id": 1, "name": "cock, rooster"}, {"id": 0, "name": "tench"}])", "a list of objects"},
      {R"({"0": {"name": "tench"}, "1": {"name": "cock, rooster"}})", "objects by number"},
      {"{0: 'tench',\n 1: 'cock, rooster'}", "the well-known gist"},
      {"{0: 'tench', # a fish\n 1: \"cock, rooster\",}\n", "a Python dictionary"},
      {"labels = ['tench', 'cock, rooster']\n", "a Python file"},
      {"CLASSES = ('tench', 'cock, rooster')\n", "a Python tuple"},
      {"n01440764 tench\nn01514668 cock, rooster\n", "synset lines"},
      {"n01440764\ttench\nn01514668\tcock, rooster\n", "synset lines with tabs"},
      {"index,label\n0,tench\n1,\"cock, rooster\"\n", "CSV with a header"},
      {"label;index\n\"cock, rooster\";1\n\"tench\";0\n", "CSV the other way round, with semicolons"},
      {"0,tench\r\n1,\"cock, rooster\"\r\n", "CSV without a header"},
      {"class_id,synset,class_name\n0,n01440764,tench\n1,n01514668,\"cock, rooster\"\n",
       "CSV by the header's words"},
      {"0: tench\n1: cock, rooster\n", "numbered lines"},
      {"0 tench\n1 cock, rooster\n", "numbered lines with a space"},
      {" 0: 'tench',\n 1: 'cock, rooster',\n", "a dictionary's lines without the braces"},
      {"1\tcock, rooster\n0\ttench\n", "numbered by a tab, in any order"},
      {"tench: 0\ncock, rooster: 1\n", "numbers behind the names"},
      {"- tench\n- \"cock, rooster\"\n", "a YAML list"},
      {"# made by hand\nnames:\n  - tench\n  - cock, rooster\n", "a YAML list under one key"},
      {"names:\n  0: tench\n  1: cock, rooster\n", "a YAML dictionary under one key"},
      {"\"tench\"\n\"cock, rooster\"\n", "quoted lines"},
      {R"(["\u0074ench", "cock\u002c rooster"])", "escapes"},
  }));
  CAPTURE(row.why);
  auto const labels = parse_labels(row.text);
  CHECK((labels ? "" : labels.error().message) == "");
  if (labels) CHECK(*labels == Labels{"tench", "cock, rooster"});
}

TEST_CASE("labels: what is one name a line stays so") {
  for (Labels const& expected :
       {Labels{"class 0", "class 1"}, Labels{"0", "1", "2"}, Labels{"2 doors", "4 doors"},
        Labels{"[background]", "person"}, Labels{"3d", "7 up"}, Labels{"crane", "crane"},
        Labels{"Dürer", "potter's wheel"}, Labels{"n01440764", "n01514668"}, Labels{"a,b", "c"},
        Labels{"10 km", "20 km"}}) {
    auto const labels = parse_labels(join_labels(expected));
    CAPTURE(expected.front());
    CHECK((labels ? "" : labels.error().message) == "");
    if (labels) CHECK(*labels == expected);
  }
}

TEST_CASE("labels: what is no label file is refused by what it is") {
  struct Row {
    std::string text;
    std::string expected;
  };
  using namespace std::string_literals;
  auto const row = GENERATE(values<Row>({
      {"<!DOCTYPE html>\n<html>Sign in</html>", "an HTML page, perhaps a login"},
      {"\n  <HTML><body>", "an HTML page"},
      {"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "is XML"},
      {"\xFF\xFEt\0e\0"s, "UTF-16"},
      {"\xFE\xFF\0t\0e"s, "UTF-16"},
      {"t\0e\0n\0"s, "UTF-16 or binary"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git-lfs pointer"},
      {"tench\n\xC3\nshark\n", "line 2 is not UTF-8"},
      {"tench\n\nshark\n", "line 2 is empty"},
      {"tench\nsh\x01rk\n", "line 2 has a control character"},
      {"tench\nsh\xC2\x85rk\n", "line 2 has a control character"},
      {R"(["tench", "sh\u0001rk"])", "class 1 has a control character"},
      {R"({"0": "a", "0": "b", "1": "c"})", "class number 0 is there twice: 'a' and 'b'"},
      {R"({"0": "a", "2": "c"})", "class number 1 is missing; the next one is 2"},
      {R"({"1": "a", "2": "c"})", "class number 0 is missing: the file counts from 1"},
      {"1: a\n2: b\n", "class number 0 is missing: the file counts from 1"},
      {"0,a\n0,b\n", "class number 0 is there twice"},
      {R"({"a": 0, "b": 0})", "class number 0 is there twice"},
      {R"({"a": -1, "b": 0})", "class number -1"},
      {R"({"0": "a", "1": 7})", "class 1 has no text for a name"},
      {R"({"0": "a", "1": null})", "class 1 has no text for a name"},
      {R"({"a": "b", "c": "d"})", "key 'a' is no class number; allowed are"},
      {R"(["a", ["b", "c"]])", "entry 1 of the list is no name"},
      {R"(["a" "b"])", "looks like JSON or a Python dictionary or list: a comma is missing (line 1)"},
      {"{\"0\": \"a\",\n \"1\": \"b}", "a text has no end (line 2)"},
      {"{\"0\": \"a\",\n \"1\": \"b\"", "line 1 is a piece of a list, a dictionary or a table"},
      {"{\"0\": \"a\",\n \"1\": b}", "'b' is no value (line 2)"},
      {"[]", "names no class"},
      {R"(["a", " "])", "the name of class 1 is empty"},
      {"'star',\n'square',\n", "line 1 is a piece of a list"},
      {"\"a\",\"b\"\n\"c\",\"d\"\n", "line 1 is a piece of a list, a dictionary or a table"},
      {"1,2,a,b\n2,3,c,d\n", "CSV of 4 columns"},
      {"nc: 2\nnames: ['a', 'b']\n", "line 2 is a piece of a list"},
      {"names:\n- a\n- b\nnc: 2\n", "line 1 is a piece of a list"},
      {"[" + std::string(100, '[') + std::string(100, ']') + "]", "nests more than 8 levels"},
      {R"(["\ud800"])", "half a character"},
      {R"(["\q"])", "an unknown escape"},
  }));
  CAPTURE(row.text);
  auto const labels = parse_labels(row.text);
  REQUIRE_FALSE(labels.has_value());
  CHECK_THAT(labels.error().message, Catch::StartsWith("labels: ") && Catch::Contains(row.expected));
}

TEST_CASE("labels: a file cut off or changed anywhere is an error or other names, never a crash") {
  std::string const whole =
      R"({"id2label": {"0": ["n01440764", "t\u00e9nch"], "1": 'a', 2: ("n00000000", "c")}})";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    static_cast<void>(parse_labels(whole.substr(0, length)));
    std::string changed = whole;
    for (int c = 0; c < 256; ++c) {
      changed[length] = static_cast<char>(c);
      static_cast<void>(parse_labels(changed));
    }
  }
}
