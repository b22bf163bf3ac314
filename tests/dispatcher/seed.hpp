#pragma once

#include <cstdlib>
#include <random>
#include <string>

namespace ei::dispatcher {

/// The seed of a randomised test: EI_SEED where it is set (to repeat a failure), else a
/// fresh one. Print it with INFO.
inline std::uint32_t test_seed() {
  char const* given = std::getenv("EI_SEED");
  return given != nullptr ? static_cast<std::uint32_t>(std::stoul(given)) : std::random_device{}();
}

}  // namespace ei::dispatcher
