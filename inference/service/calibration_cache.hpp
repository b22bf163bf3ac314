#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "inference/model/calibration.hpp"

namespace ei::inference {

/// Where the calibration of these weights is kept: the name holds the digest of the weights, the version of
/// the calibration, and whether the CPU takes all 8 bits (`vnni`). The pictures are the program's own.
[[nodiscard]] std::filesystem::path calibration_file(std::filesystem::path const& cache_dir,
                                                     std::span<const std::byte> weights, bool vnni);

/// What an earlier start kept; none where there is nothing, or nothing whole.
[[nodiscard]] std::optional<Calibration> read_calibration(std::filesystem::path const& file);

/// Keeps it for the next start. Where the folder takes no file, the log says so, and the next start measures
/// what it needs again.
void keep_calibration(std::filesystem::path const& file, Calibration const& calibration);

}  // namespace ei::inference
