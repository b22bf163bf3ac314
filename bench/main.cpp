// inference-bench: measures the service, one subcommand for each way.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "bench/advice/command.hpp"
#include "bench/hpa/command.hpp"
#include "bench/load/command.hpp"
#include "bench/load/trace_command.hpp"
#include "bench/policy/command.hpp"
#include "bench/queue/command.hpp"
#include "runtime/core/version.hpp"

int main(int argc, char** argv) {
  int code = 0;
  CLI::App program("Measures elastic inference.", "inference-bench");
  program.set_version_flag("--version", ei::version_and_commit());
  program.require_subcommand(1);
  ei::bench::add_load_command(program, code);
  ei::bench::add_trace_command(program, code);
  ei::bench::add_policy_command(program, code);
  ei::bench::add_hpa_command(program, code);
  ei::bench::add_queue_command(program, code);
  ei::bench::add_advice_command(program, code);
  try {
    program.parse(argc, argv);
  } catch (CLI::ParseError const& error) {
    // CLI11 prints; its own codes are many, the convention is 2.
    return program.exit(error) == 0 ? 0 : 2;
  } catch (std::exception const& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return code;
}
