#pragma once

#include <CLI/CLI.hpp>

namespace ei::bench {

/// Adds `load` to the program; once it is parsed and chosen, `code` becomes its exit code: 0
/// when the load was run to its end (whatever was answered: see its summary), 1 when it could
/// not be, 130 when it was interrupted.
void add_load_command(CLI::App& program, int& code);

}  // namespace ei::bench
