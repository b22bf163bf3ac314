#pragma once

#include <string>
#include <string_view>

namespace ei {

/// The project's version, as `0.1.0`. Compiled into one file,
/// so that a new version recompiles that file alone.
std::string_view version();

/// The commit that was built, as `2f07481abc12`; empty where the tree was no git checkout. Defined for
/// programs alone (ei_commit), so that a commit links four programs anew and not every test.
std::string_view commit();

/// What `--version` prints: `0.1.0 (2f07481abc12)`.
inline std::string version_and_commit() {
  auto const built = commit();
  std::string text(version());
  if (!built.empty()) text.append(" (").append(built).append(")");
  return text;
}

}  // namespace ei
