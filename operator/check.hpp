#pragma once

#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include "operator/api/allowed.hpp"
#include "operator/manifest/manifest.hpp"

namespace ei {

/// What manifests hold, checked as `--local` needs it.
struct Checked {
  std::vector<manifest::Entry> entries;  ///< the valid ones
  std::vector<std::string> errors;       ///< `FILE:LINE: …`, of all files
  std::vector<std::string> skipped;      ///< documents for others, likewise
};

/// Reads and checks every manifest; a folder stands for the *.yaml, *.yml and *.json in it. Also wrong here:
/// what only a cluster can run, what is not allowed, and one name twice.
[[nodiscard]] Checked check_manifests(std::vector<std::filesystem::path> const& paths,
                                      api::Allowed const& allowed);

/// Prints what would be done for each service, and with how many workers at most on `cores`.
void print_plan(Checked const& checked, int cores, std::ostream& out);

}  // namespace ei
