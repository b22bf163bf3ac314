#pragma once

// Catch2 3 under the names of Catch2 2, which the tests use: Debian 12 packages 2, Debian 13 packages 3.
// CMakeLists.txt puts this folder first among the headers where it finds 3.

#include <catch2/catch_all.hpp>
#include <string>

using Catch::Approx;

namespace Catch {
using Matchers::EndsWith;
using Matchers::StartsWith;
inline auto Contains(std::string const& text) {
  return Matchers::ContainsSubstring(text);
}
}  // namespace Catch
