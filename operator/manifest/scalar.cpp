#include "operator/manifest/scalar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

namespace ei::manifest {
namespace {

template <std::size_t N>
bool one_of(std::string_view text, std::array<std::string_view, N> const& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

constexpr std::array<std::string_view, 5> kNull{"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 9> kTrue{"true", "True", "TRUE", "yes", "Yes",
                                                "YES",  "on",   "On",   "ON"};
constexpr std::array<std::string_view, 9> kFalse{"false", "False", "FALSE", "no", "No",
                                                 "NO",    "off",   "Off",   "OFF"};

std::optional<std::int64_t> integer(std::string_view text) {
  bool const negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  int base = 10;
  auto const starts = [&](std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; };
  if (starts("0x")) {
    base = 16, text.remove_prefix(2);
  } else if (starts("0o")) {
    base = 8, text.remove_prefix(2);
  } else if (starts("0b")) {
    base = 2, text.remove_prefix(2);
  } else if (text.size() > 1 && starts("0")) {
    base = 8, text.remove_prefix(1);
  }
  std::string digits;
  if (negative) digits = "-";
  // A sign was taken above; from_chars would take a second one.
  if (text.empty() || text.front() == '-' || text.front() == '+' || text.front() == '_') return {};
  for (char c : text) {
    if (c != '_') digits += c;
  }
  std::int64_t number = 0;
  auto const [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  if (wrong != std::errc{} || end != digits.data() + digits.size()) return {};
  return number;
}

std::optional<double> real(std::string_view text) {
  // from_chars also takes "inf", "nan" and "infinity", which are strings in YAML
  // (".inf" has no JSON form at all).
  if (text.find_first_not_of("0123456789+-.eE") != text.npos) return {};
  if (text.find_first_of("0123456789") == text.npos) return {};
  if (text.front() == '+') text.remove_prefix(1);
  if (text.empty() || text.front() == '+') return {};
  double number = 0;
  auto const [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (wrong != std::errc{} || end != text.data() + text.size()) return {};
  return number;
}

}  // namespace

boost::json::value plain_scalar(std::string_view text) {
  if (one_of(text, kNull)) return nullptr;
  if (one_of(text, kTrue)) return true;
  if (one_of(text, kFalse)) return false;
  if (auto const number = integer(text)) return *number;
  if (auto const number = real(text)) return *number;
  return boost::json::string(text);
}

}  // namespace ei::manifest
