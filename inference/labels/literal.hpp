#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/core/result.hpp"

namespace ei::inference {

/// A value as JSON and Python write it down.
struct Literal {
  struct Null {};
  struct Entry;                       // no std::pair, which clang cannot hold before Literal is complete
  using List = std::vector<Literal>;  ///< also a tuple
  using Dict = std::vector<Entry>;    ///< in the file's order, with what is there twice
  std::variant<Null, bool, std::int64_t, double, std::string, List, Dict> value;
};
struct Literal::Entry {
  Literal first;
  Literal second;
};

/// Reads one literal and nothing behind it. Accepts both languages at once: either kind of quotes, trailing
/// commas, tuples, comments behind `#`, `None` and `null`, and an assignment's `name =` in front. Errors:
/// Invalid, with the line. Bounded: 8 levels, 600,000 values.
[[nodiscard]] Result<Literal> parse_literal(std::string_view text);

template <class T>
[[nodiscard]] T const* get(Literal const& literal) {
  return std::get_if<T>(&literal.value);
}

}  // namespace ei::inference
