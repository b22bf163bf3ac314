#pragma once

#include <CLI/CLI.hpp>

namespace ei::bench {

/// Adds `queue` to the program: what one request costs the dispatcher's queue while others wait. Its only
/// line is `{"rows": [{"waiting": N, "ns": x}, …]}`; `code` becomes 0.
void add_queue_command(CLI::App& program, int& code);

}  // namespace ei::bench
