#include "runtime/core/units.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <limits>
#include <optional>

namespace ei {
namespace {

Error invalid(std::string_view what, std::string_view text) {
  return make_error(ErrorKind::Invalid,
                    std::string(what) + ", got \"" + std::string(text.substr(0, 64)) + "\"");
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

struct Decimal {
  double value = 0;
  std::size_t length = 0;  // characters used; 0 when there is no number
};

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end - at;
}

// More digits than nine are a mistake; the CRD's pattern says the same.
constexpr std::size_t kMaxDigits = 9;

// One to nine digits, and possibly a dot and one to nine more; no sign, no exponent. A length of 0 is none.
Decimal read_decimal(std::string_view text) {
  Decimal decimal;
  auto end = digits_at(text, 0);
  if (end == 0 || end > kMaxDigits) return decimal;
  if (end < text.size() && text[end] == '.') {
    auto const fraction = digits_at(text, end + 1);
    if (fraction == 0 || fraction > kMaxDigits) return decimal;
    end += 1 + fraction;
  }
  std::from_chars(text.data(), text.data() + end, decimal.value, std::chars_format::fixed);
  decimal.length = end;
  return decimal;
}

std::optional<double> seconds_of_unit(std::string_view unit) {
  if (unit == "h") return 3600;
  if (unit == "m") return 60;
  if (unit == "s") return 1;
  if (unit == "ms") return 1e-3;
  if (unit == "us") return 1e-6;
  if (unit == "ns") return 1e-9;
  return {};
}

}  // namespace

Result<milliseconds> parse_duration(std::string_view text) {
  constexpr std::string_view kForm = "a duration such as 150s, 500ms or 1m30s";
  if (text == "0") return milliseconds{0};
  if (text.empty()) return invalid(kForm, text);
  double seconds = 0;
  for (std::string_view rest = text; !rest.empty();) {
    Decimal const number = read_decimal(rest);
    if (number.length == 0) return invalid(kForm, text);
    rest.remove_prefix(number.length);
    std::size_t unit_length = 0;
    while (unit_length < rest.size() && rest[unit_length] >= 'a' && rest[unit_length] <= 'z') ++unit_length;
    auto const unit = seconds_of_unit(rest.substr(0, unit_length));
    if (!unit) return invalid(kForm, text);
    rest.remove_prefix(unit_length);
    seconds += number.value * *unit;
  }
  // Go's time.Duration ends at 2^63 ns, about 292 years.
  constexpr double kMaxSeconds = 9.2e9;
  if (!(seconds <= kMaxSeconds)) return invalid("a duration of less than 290 years", text);
  return milliseconds{static_cast<std::int64_t>(seconds * 1000 + 0.5)};
}

std::string format_duration(milliseconds duration) {
  if (duration.count() == 0) return "0s";
  // In unsigned arithmetic, so that the most negative count works too.
  bool const negative = duration.count() < 0;
  auto left = static_cast<std::uint64_t>(duration.count());
  if (negative) left = 0 - left;
  std::string out = negative ? "-" : "";
  constexpr std::array<std::pair<std::uint64_t, std::string_view>, 4> kUnits{
      {{3'600'000, "h"}, {60'000, "m"}, {1'000, "s"}, {1, "ms"}}};
  for (auto const& [size, name] : kUnits) {
    if (left < size) continue;
    out += std::to_string(left / size);
    out += name;
    left %= size;
  }
  return out;
}

namespace {

// value = digits × 10^exponent × 1024^binary
struct Quantity {
  std::uint64_t digits = 0;
  int exponent = 0;
  int binary = 0;
};

bool read_suffix(std::string_view suffix, Quantity& quantity) {
  constexpr std::string_view kBinary = "KMGTPE";
  constexpr std::array<std::pair<char, int>, 9> kDecimal{
      {{'n', -9}, {'u', -6}, {'m', -3}, {'k', 3}, {'M', 6}, {'G', 9}, {'T', 12}, {'P', 15}, {'E', 18}}};
  if (suffix.empty()) return true;
  if (suffix.size() == 2 && suffix[1] == 'i') {
    auto const at = kBinary.find(suffix[0]);
    quantity.binary = static_cast<int>(at) + 1;
    return at != std::string_view::npos;
  }
  if (suffix.size() == 1) {
    for (auto const& [letter, exponent] : kDecimal) {
      if (letter != suffix[0]) continue;
      quantity.exponent += exponent;
      return true;
    }
    return false;
  }
  if (suffix[0] != 'e' && suffix[0] != 'E') return false;
  suffix.remove_prefix(suffix[1] == '+' ? 2 : 1);
  int exponent = 0;
  auto const read = std::from_chars(suffix.data(), suffix.data() + suffix.size(), exponent);
  quantity.exponent += exponent;
  // More would overflow any result; the bound keeps the loops below short.
  return read.ec == std::errc() && read.ptr == suffix.data() + suffix.size() && exponent >= -30 &&
         exponent <= 30;
}

std::optional<Quantity> read_quantity(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Quantity quantity;
  std::size_t at = 0;
  int seen = 0;
  bool dot = false;
  for (; at < text.size(); ++at) {
    char const c = text[at];
    if (c == '.' && !dot) {
      dot = true;
      continue;
    }
    if (!is_digit(c)) break;
    ++seen;
    // 18 digits fit; Kubernetes itself keeps no more than nine after the point.
    if (quantity.digits >= 100'000'000'000'000'000ULL) return {};
    quantity.digits = quantity.digits * 10 + static_cast<std::uint64_t>(c - '0');
    if (dot) --quantity.exponent;
  }
  if (seen == 0 || !read_suffix(text.substr(at), quantity)) return {};
  return quantity;
}

}  // namespace

Result<std::int64_t> parse_quantity_milli(std::string_view text) {
  auto const quantity = read_quantity(text);
  if (!quantity) return invalid("a quantity such as 1, 500m, 0.5 or 1Gi", text);
  constexpr auto kMax = static_cast<unsigned __int128>(std::numeric_limits<std::int64_t>::max());
  Error const too_large = invalid("a quantity below 9.2e15", text);
  unsigned __int128 value = quantity->digits;
  int exponent = quantity->exponent + 3;
  // Multiply first, so that 0.5Gi is exact; 2^60 × 1024^6 × 10^3 stays under 2^128.
  for (int i = 0; i < quantity->binary; ++i) value *= 1024;
  for (; exponent > 0 && value != 0; --exponent) {
    if (value > kMax) return too_large;
    value *= 10;
  }
  for (; exponent < 0 && value != 0; ++exponent) value = (value + 9) / 10;
  if (value > kMax) return too_large;
  return static_cast<std::int64_t>(value);
}

namespace {

std::string format_seconds(WallTime time, std::int64_t& micros) {
  using namespace std::chrono;
  auto const whole = floor<seconds>(time);
  micros = floor<microseconds>(time - whole).count();
  auto const day = floor<days>(whole);
  year_month_day const date{day};
  hh_mm_ss const clock{whole - day};
  std::array<char, 48> out{};
  std::snprintf(out.data(), out.size(), "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return out.data();
}

// Exactly `count` digits at the front of `text`, taken off it.
std::optional<int> take_number(std::string_view& text, std::size_t count) {
  if (text.size() < count) return {};
  int value = 0;
  for (char const c : text.substr(0, count)) {
    if (!is_digit(c)) return {};
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::chrono::microseconds> take_fraction(std::string_view& text) {
  if (!take(text, ".")) return std::chrono::microseconds{0};
  std::int64_t micros = 0;
  int digits = 0;
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1)) {
    if (digits < 6) micros = micros * 10 + (text.front() - '0');
    ++digits;
  }
  if (digits == 0 || digits > 9) return {};
  for (int i = digits; i < 6; ++i) micros *= 10;
  return std::chrono::microseconds{micros};
}

std::optional<std::chrono::minutes> take_offset(std::string_view& text) {
  if (take(text, "Zz")) return std::chrono::minutes{0};
  bool const west = text.starts_with('-');
  if (!take(text, "+-")) return {};
  auto const hours = take_number(text, 2);
  bool const colon = take(text, ":");
  auto const minutes = take_number(text, 2);
  if (!hours || !colon || !minutes || *hours > 23 || *minutes > 59) return {};
  std::chrono::minutes const offset{*hours * 60 + *minutes};
  return west ? -offset : offset;
}

std::optional<WallTime> read_rfc3339(std::string_view text) {
  using namespace std::chrono;
  auto const y = take_number(text, 4);
  if (!y || !take(text, "-")) return {};
  auto const mo = take_number(text, 2);
  if (!mo || !take(text, "-")) return {};
  auto const d = take_number(text, 2);
  if (!d || !take(text, "Tt ")) return {};
  auto const h = take_number(text, 2);
  if (!h || !take(text, ":")) return {};
  auto const mi = take_number(text, 2);
  if (!mi || !take(text, ":")) return {};
  auto const s = take_number(text, 2);
  if (!s) return {};
  auto const fraction = take_fraction(text);
  if (!fraction) return {};
  auto const offset = take_offset(text);
  if (!offset || !text.empty()) return {};
  year_month_day const date{year{*y}, month{static_cast<unsigned>(*mo)}, day{static_cast<unsigned>(*d)}};
  // 60 is a leap second, which the system's clock repeats as the next minute's first.
  if (!date.ok() || *h > 23 || *mi > 59 || *s > 60) return {};
  auto const since_epoch =
      sys_days{date}.time_since_epoch() + hours{*h} + minutes{*mi} + seconds{*s} - *offset;
  // The clock counts nanoseconds in 64 bits, from 1677 to 2262. A credential that never expires says 9999.
  constexpr microseconds kFirst = sys_days{year{1678} / 1 / 1}.time_since_epoch();
  constexpr microseconds kLast = sys_days{year{2262} / 1 / 1}.time_since_epoch();
  return WallTime{std::clamp<microseconds>(since_epoch + *fraction, kFirst, kLast)};
}

}  // namespace

std::string format_rfc3339(WallTime time) {
  std::int64_t micros = 0;
  std::string out = format_seconds(time, micros);
  std::array<char, 32> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%06lldZ", static_cast<long long>(micros));
  return out + fraction.data();
}

std::string format_rfc3339_seconds(WallTime time) {
  std::int64_t micros = 0;
  return format_seconds(time, micros) + "Z";
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  auto const time = read_rfc3339(text);
  if (!time) return invalid("a time such as 2026-11-24T00:41:22Z", text);
  return *time;
}

}  // namespace ei
