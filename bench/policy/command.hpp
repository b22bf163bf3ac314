#pragma once

#include <CLI/CLI.hpp>

namespace ei::bench {

/// Adds `policy` to the program; once it is parsed and chosen, `code` becomes its exit code: 0 when the
/// comparison was played, 1 when it could not be. Tables and goals go to standard output, and as its last
/// line `{"cells": [...]}`.
void add_policy_command(CLI::App& program, int& code);

}  // namespace ei::bench
