// The one translation unit that compiles Boost.JSON (header-only here,
// Debian's library being another version).
#include "runtime/core/json.hpp"

#include <boost/json/src.hpp>
#include <charconv>
#include <cmath>

namespace ei {
namespace {

/// The fewest digits that give the same number again, without an exponent where people write none; JSON has
/// no word for what is not finite but null.
void append_number(std::string& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  double const size = std::abs(number);
  bool const plain = number == 0 || (size >= 1e-6 && size < 1e16);  // 16 digits are all that a double has
  char digits[32];  // the longest is 24 characters, plain or not
  auto const format = plain ? std::chars_format::fixed : std::chars_format::general;
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number, format).ptr);
}

void append_text(std::string& out, boost::json::value const& value) {
  if (auto const* number = value.if_double()) {
    append_number(out, *number);
  } else if (auto const* array = value.if_array()) {
    char separator = '[';
    for (auto const& element : *array) {
      out += separator;
      append_text(out, element);
      separator = ',';
    }
    out += array->empty() ? "[]" : "]";
  } else if (auto const* object = value.if_object()) {
    char separator = '{';
    for (auto const& member : *object) {
      out += separator;
      out += boost::json::serialize(member.key());
      out += ':';
      append_text(out, member.value());
      separator = ',';
    }
    out += object->empty() ? "{}" : "}";
  } else {
    out += boost::json::serialize(value);
  }
}

}  // namespace

std::string to_json_text(boost::json::value const& value) {
  std::string out;
  append_text(out, value);
  return out;
}

Result<boost::json::value> parse_json(std::string_view text) {
  boost::json::stream_parser parser;
  boost::json::error_code code;
  std::size_t const used = parser.write(text.data(), text.size(), code);
  if (!code) parser.finish(code);
  if (code) {
    return make_error(ErrorKind::Invalid,
                      "not valid JSON at byte " + std::to_string(used) + ": " + code.message());
  }
  return parser.release();
}

boost::json::value const* find_member(boost::json::value const& root, std::string_view path) {
  auto const* at = &root;
  while (!path.empty()) {
    auto const dot = path.find('.');
    auto const key = path.substr(0, dot);
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
    auto const* object = at->if_object();
    if (object == nullptr) return nullptr;
    at = object->if_contains(key);
    if (at == nullptr) return nullptr;
  }
  return at;
}

std::string_view string_or(boost::json::value const& root, std::string_view path,
                           std::string_view otherwise) {
  auto const* member = find_member(root, path);
  auto const* string = member == nullptr ? nullptr : member->if_string();
  return string == nullptr ? otherwise : std::string_view(*string);
}

}  // namespace ei
