#include "inference/labels/literal.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace ei::inference {
namespace {

/// A label file nests three levels at most: {"id2label": {"0": ["n01440764", "tench"]}}.
constexpr int kMaxDepth = 8;
/// 65,536 classes with an index, an identifier, a name and a list each, and as much again.
constexpr std::size_t kMaxValues = 600'000;

/// Thrown inside this file only; parse_literal() turns it around.
struct Broken {
  std::string what;
};

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void append_utf8(std::string& text, std::uint32_t code) {
  auto const put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | (code >> 6U));
    put(0x80 | (code & 0x3fU));
  } else if (code < 0x10000) {
    put(0xe0 | (code >> 12U));
    put(0x80 | ((code >> 6U) & 0x3fU));
    put(0x80 | (code & 0x3fU));
  } else {
    put(0xf0 | (code >> 18U));
    put(0x80 | ((code >> 12U) & 0x3fU));
    put(0x80 | ((code >> 6U) & 0x3fU));
    put(0x80 | (code & 0x3fU));
  }
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Literal document() {
    skip_assignment();
    auto literal = value(kMaxDepth);
    skip();
    if (peek() == ';') ++at_;
    skip();
    if (at_ < text_.size()) throw Broken{"something follows its end"};
    return literal;
  }

  [[nodiscard]] std::size_t line() const {
    auto const read = text_.substr(0, std::min(at_, text_.size()));
    return 1 + static_cast<std::size_t>(std::count(read.begin(), read.end(), '\n'));
  }

 private:
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip() {
    for (;; ++at_) {
      if (peek() == '#') at_ = std::min(text_.find('\n', at_), text_.size());
      if (!is_space(peek())) return;
    }
  }

  /// `labels = ` in front of a Python file's dictionary.
  void skip_assignment() {
    skip();
    auto at = at_;
    while (at < text_.size() && is_word(text_[at])) ++at;
    if (at == at_) return;
    while (at < text_.size() && text_[at] == ' ') ++at;
    if (at < text_.size() && text_[at] == '=') at_ = at + 1;
  }

  Literal value(int depth) {
    if (depth == 0) throw Broken{"it nests more than 8 levels"};
    if (++values_ > kMaxValues) throw Broken{"it holds more than 600,000 values"};
    skip();
    switch (peek()) {
      case '{':
        return {dict(depth)};
      case '[':
        return {list(depth, ']')};
      case '(':
        return {list(depth, ')')};
      case '"':
      case '\'':
        return {string()};
      default:
        return word();
    }
  }

  Literal::List list(int depth, char end) {
    ++at_;
    Literal::List items;
    for (skip(); peek() != end; skip()) {
      items.push_back(value(depth - 1));
      comma_or(end);
    }
    ++at_;
    return items;
  }

  Literal::Dict dict(int depth) {
    ++at_;
    Literal::Dict items;
    for (skip(); peek() != '}'; skip()) {
      auto key = value(depth - 1);
      skip();
      if (peek() != ':') throw Broken{"a key has no ':' behind it"};
      ++at_;
      items.push_back({std::move(key), value(depth - 1)});
      comma_or('}');
    }
    ++at_;
    return items;
  }

  void comma_or(char end) {
    skip();
    if (peek() == ',') {
      ++at_;
    } else if (peek() != end) {
      throw Broken{at_ < text_.size() ? "a comma is missing" : "it ends in the middle"};
    }
  }

  std::string string() {
    char const quote = text_[at_++];
    std::string text;
    while (peek() != quote) {
      if (at_ >= text_.size() || peek() == '\n') throw Broken{"a text has no end"};
      char const c = text_[at_++];
      if (c == '\\') {
        escape(text);
      } else {
        text += c;
      }
    }
    ++at_;
    return text;
  }

  void escape(std::string& text) {
    static constexpr std::string_view kNames = "\"'\\/bfnrt";
    static constexpr std::string_view kMeant = "\"'\\/\b\f\n\r\t";
    char const c = peek();
    ++at_;
    if (auto const found = kNames.find(c); found != std::string_view::npos && c != '\0') {
      text += kMeant[found];
      return;
    }
    if (c != 'u' && c != 'x') throw Broken{"an unknown escape in a text"};
    auto code = hexadecimal(c == 'u' ? 4 : 2);
    if (code >= 0xd800 && code < 0xdc00 && text_.substr(at_, 2) == "\\u") {  // the first half of a pair
      at_ += 2;
      code = 0x10000 + ((code - 0xd800) << 10U) + (hexadecimal(4) - 0xdc00);
    }
    if ((code >= 0xd800 && code < 0xe000) || code > 0x10ffff) throw Broken{"half a character in a text"};
    append_utf8(text, code);
  }

  std::uint32_t hexadecimal(std::size_t digits) {
    auto const taken = text_.substr(at_, digits);
    std::uint32_t code = 0;
    auto const [end, failed] = std::from_chars(taken.data(), taken.data() + taken.size(), code, 16);
    if (failed != std::errc() || end != taken.data() + digits) throw Broken{"an unknown escape in a text"};
    at_ += digits;
    return code;
  }

  Literal word() {
    auto const start = at_;
    while (is_word(peek()) || peek() == '-' || peek() == '+' || peek() == '.') ++at_;
    auto const text = text_.substr(start, at_ - start);
    if (text == "null" || text == "None") return {};
    if (text == "true" || text == "True") return {true};
    if (text == "false" || text == "False") return {false};
    if (text == "u" && (peek() == '"' || peek() == '\'')) return {string()};  // Python 2's mark
    std::int64_t integer = 0;
    auto const* const last = text.data() + text.size();
    if (auto const [end, failed] = std::from_chars(text.data(), last, integer);
        failed == std::errc() && end == last)
      return {integer};
    double number = 0;
    if (auto const [end, failed] = std::from_chars(text.data(), last, number);
        !text.empty() && failed == std::errc() && end == last) {
      return {number};
    }
    if (at_ >= text_.size()) throw Broken{"it ends in the middle"};
    throw Broken{text.empty() ? "'" + std::string(1, peek()) + "' begins no value"
                              : "'" + std::string(text.substr(0, 40)) + "' is no value"};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t values_ = 0;
};

}  // namespace

Result<Literal> parse_literal(std::string_view text) {
  Reader reader(text);
  try {
    return reader.document();
  } catch (Broken const& broken) {
    return make_error(ErrorKind::Invalid, broken.what + " (line " + std::to_string(reader.line()) + ")");
  }
}

}  // namespace ei::inference
