#pragma once

#include <cstddef>
#include <string>

namespace ei::test {

inline std::string repeated(std::string const& text, std::size_t times) {
  std::string out;
  while (times-- > 0) out += text;
  return out;
}

}  // namespace ei::test
