#include "runtime/metrics/parser.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace ei::metrics {
namespace {

// A cursor over one line; every take_* leaves it where the fault is.
struct Cursor {
  std::string_view rest;

  [[nodiscard]] bool at_end() const { return rest.empty(); }
  [[nodiscard]] char front() const { return rest.empty() ? '\0' : rest.front(); }
  void skip_blanks() {
    while (front() == ' ' || front() == '\t') rest.remove_prefix(1);
  }
  bool take(char c) {
    if (front() != c || rest.empty()) return false;
    rest.remove_prefix(1);
    return true;
  }
};

bool is_name_start(char c, bool colon) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
}

std::string_view take_name(Cursor& cursor, bool colon) {
  std::size_t length = 0;
  while (length < cursor.rest.size()) {
    char const c = cursor.rest[length];
    if (!is_name_start(c, colon) && (length == 0 || c < '0' || c > '9')) break;
    ++length;
  }
  auto const name = cursor.rest.substr(0, length);
  cursor.rest.remove_prefix(length);
  return name;
}

std::optional<std::string> take_quoted(Cursor& cursor) {
  if (!cursor.take('"')) return {};
  std::string value;
  while (!cursor.at_end()) {
    char c = cursor.front();
    cursor.rest.remove_prefix(1);
    if (c == '"') return value;
    if (c == '\\') {
      if (cursor.at_end()) return {};
      c = cursor.front();
      cursor.rest.remove_prefix(1);
      // The format knows \\, \" and \n; like Prometheus, another escape keeps its backslash.
      if (c == 'n') {
        c = '\n';
      } else if (c != '\\' && c != '"') {
        value += '\\';
      }
    }
    value += c;
  }
  return {};
}

// The fault in words, or null.
char const* take_labels(Cursor& cursor, std::map<std::string, std::string>& labels) {
  if (!cursor.take('{')) return nullptr;
  for (;;) {
    cursor.skip_blanks();
    if (cursor.take('}')) return nullptr;
    auto const name = take_name(cursor, false);
    if (name.empty()) return "a label name was expected";
    cursor.skip_blanks();
    if (!cursor.take('=')) return "'=' was expected after a label name";
    cursor.skip_blanks();
    auto value = take_quoted(cursor);
    if (!value) return "a quoted label value was expected";
    if (labels.size() == kMaxLabels) return "it has too many labels";
    if (!labels.emplace(name, std::move(*value)).second) return "a label name appears twice";
    cursor.skip_blanks();
    if (!cursor.take(',') && cursor.front() != '}') return "',' or '}' was expected after a label";
  }
}

std::string_view take_word(Cursor& cursor) {
  auto const length = std::min(cursor.rest.find_first_of(" \t"), cursor.rest.size());
  auto const word = cursor.rest.substr(0, length);
  cursor.rest.remove_prefix(length);
  return word;
}

bool same_without_case(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b; });
}

// `le` of a bucket: the buckets are put in its order, which NaN has none of.
bool is_bound(std::string_view text) {
  auto const value = parse_number(text);
  return value && *value > -std::numeric_limits<double>::infinity();
}

}  // namespace

std::optional<double> parse_number(std::string_view word) {
  bool const negative = word.starts_with('-');
  if (negative || word.starts_with('+')) word.remove_prefix(1);
  double value = 0;
  if (same_without_case(word, "nan")) {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (same_without_case(word, "inf") || same_without_case(word, "infinity")) {
    value = std::numeric_limits<double>::infinity();
  } else {
    // The library's other words for what is no number are not this format's.
    if (word.empty() || (word.front() != '.' && (word.front() < '0' || word.front() > '9'))) return {};
    auto const read = std::from_chars(word.data(), word.data() + word.size(), value);
    if (read.ec != std::errc() || read.ptr != word.data() + word.size()) return {};
  }
  return negative ? -value : value;
}

namespace {

char const* read_sample(std::string_view line, Sample& sample) {
  Cursor cursor{line};
  sample.name = take_name(cursor, true);
  if (sample.name.empty()) return "a metric name was expected";
  cursor.skip_blanks();
  if (char const* fault = take_labels(cursor, sample.labels)) return fault;
  if (auto const le = sample.labels.find("le");
      le != sample.labels.end() && sample.name.ends_with("_bucket")) {
    if (!is_bound(le->second)) return "a bucket's bound (le) is no number";
  }
  cursor.skip_blanks();
  auto const value = parse_number(take_word(cursor));
  if (!value) return "a number was expected as the value";
  sample.value = *value;
  cursor.skip_blanks();
  if (cursor.at_end()) return nullptr;
  auto const word = take_word(cursor);
  std::int64_t timestamp = 0;
  auto const read = std::from_chars(word.data(), word.data() + word.size(), timestamp);
  if (read.ec != std::errc() || read.ptr != word.data() + word.size()) return "a timestamp was expected";
  sample.timestamp_ms = timestamp;
  cursor.skip_blanks();
  return cursor.at_end() ? nullptr : "nothing was expected after the timestamp";
}

}  // namespace

Result<std::vector<Sample>> parse_exposition(std::string_view text) {
  std::vector<Sample> samples;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    auto const end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    Cursor cursor{line};
    cursor.skip_blanks();
    if (cursor.at_end() || cursor.front() == '#') continue;
    if (samples.size() == kMaxSamples) {
      return make_error(ErrorKind::Protocol, "more than " + std::to_string(kMaxSamples) + " samples");
    }
    Sample sample;
    if (line.size() > kMaxLineBytes)
      return make_error(ErrorKind::Invalid, "line " + std::to_string(number) + ": it is too long");
    if (char const* fault = read_sample(cursor.rest, sample)) {
      return make_error(ErrorKind::Invalid, "line " + std::to_string(number) + ": " + fault);
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

}  // namespace ei::metrics
