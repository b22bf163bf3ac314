// JSON as every room reads and writes it.
#include <cmath>

#include "runtime/core/json.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace ei;
namespace json = boost::json;

// Boost.JSON (1.81) reads a number of many digits to within a few units of its last place, and 1e999 as
// infinity, which is written as null. All else is the same again.
bool alike(json::value const& a, json::value const& b) {
  if (a.is_double() && !std::isfinite(a.get_double())) return b.is_null();
  if (a.is_number() && b.is_number()) {
    double const left = a.to_number<double>();
    return std::abs(left - b.to_number<double>()) <= 1e-15 * std::abs(left);
  }
  if (a.is_array() && b.is_array()) {
    auto const& left = a.get_array();
    auto const& right = b.get_array();
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), alike);
  }
  if (a.is_object() && b.is_object()) {
    auto const same = [](auto const& x, auto const& y) {
      return x.key() == y.key() && alike(x.value(), y.value());
    };
    auto const& left = a.get_object();
    auto const& right = b.get_object();
    return std::equal(left.begin(), left.end(), right.begin(), right.end(), same);
  }
  return a == b;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  auto const value = parse_json(fuzz::view(data, size));
  if (!value) return 0;
  static_cast<void>(find_member(*value, "a.b.c"));
  static_cast<void>(string_or(*value, "kind"));
  auto const text = to_json_text(*value);
  fuzz::require(text.find('\n') == std::string::npos, "a value is one line");
  auto const again = parse_json(text);
  fuzz::require(bool(again), "what was written is JSON");
  fuzz::require(alike(*value, *again), "JSON survives being written and read");
  return 0;
}
