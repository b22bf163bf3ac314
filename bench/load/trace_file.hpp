#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "bench/sim/trace_formats.hpp"

namespace ei::bench {

/// A whole file, or standard input for `-`, unpacked where it is gzip or bzip2. Never more than `most_bytes`
/// are unpacked. Errors: NotFound, Io, Invalid (not what its first bytes say, or too long).
Result<std::string> read_packed_file(std::string const& path, std::size_t most_bytes);

/// Which trace, and what is made of it.
struct TraceFlags {
  std::string file;
  TraceFormat format = TraceFormat::Auto;
  std::string window;
  double scale_to = 0;  ///< 0: as it stands
};

/// Adds `--trace`, `--trace-format`, `--window` and `--scale-to`. Gives the first.
CLI::Option* add_trace_options(CLI::App& app, TraceFlags& flags);

/// The trace that the flags describe. Where the seed spread it, standard error says which. Errors: those of
/// reading it, with the file's name.
Result<Trace> load_trace(TraceFlags const& flags, std::uint64_t seed);

}  // namespace ei::bench
