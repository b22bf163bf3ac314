#pragma once

#include <CLI/CLI.hpp>

namespace ei::bench {

/// Adds `trace` to the program: prints a trace, an integer a line, as `load --trace` reads it. `code` becomes
/// its exit code.
void add_trace_command(CLI::App& program, int& code);

}  // namespace ei::bench
