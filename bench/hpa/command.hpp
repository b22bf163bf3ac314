#pragma once

#include <CLI/CLI.hpp>

namespace ei::bench {

/// Adds `hpa` to the program; once it is parsed and chosen, `code` becomes its exit code: 0 at the end of
/// standard input, 1 at the first line that is not what HpaFilter takes. Standard output has one JSON line
/// for each sync, flushed.
void add_hpa_command(CLI::App& program, int& code);

}  // namespace ei::bench
