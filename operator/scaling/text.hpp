#pragma once

#include <algorithm>
#include <cstdio>
#include <string>

namespace ei::scaling {

/// printf into a string; for the few numbers of a formula.
template <class... Values>
std::string text(char const* format, Values... values) {
  char buffer[320];
  int const length = std::snprintf(buffer, sizeof buffer, format, values...);
  if (length <= 0) return {};
  return std::string(buffer, std::min(static_cast<std::size_t>(length), sizeof buffer - 1));
}

}  // namespace ei::scaling
