#pragma once

#include <string_view>

namespace ei {

/// The project's version, as `0.1.0`. Compiled into one file,
/// so that a new version recompiles that file alone.
std::string_view version();

}  // namespace ei
