#pragma once

#include <CLI/CLI.hpp>

namespace ei::bench {

/// Adds `advice` to the program: what the advisors of one service cost the operator. Its only line is
/// `{"rows": [{"advisors": N, "rps": x, "mean_us": x, "most_us": x}, …]}`, microseconds of CPU for a second
/// of the service; `code` becomes 0.
void add_advice_command(CLI::App& program, int& code);

}  // namespace ei::bench
