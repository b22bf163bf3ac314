#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.hpp"

namespace ei::metrics {

/// One line of an exposition.
struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;  ///< may be NaN or infinite
  std::optional<std::int64_t> timestamp_ms;

  bool operator==(Sample const&) const = default;
};

/// At most this many samples are read: far over what our processes expose,
/// little memory if the peer is hostile.
inline constexpr std::size_t kMaxSamples = 100'000;

/// Labels of one sample, and bytes of its line: what administrators set as Prometheus' own limits
/// (label_limit, label_value_length_limit) is less.
inline constexpr std::size_t kMaxLabels = 64;
inline constexpr std::size_t kMaxLineBytes = 16 * 1024;

/// Parses Prometheus text (version 0.0.4): comments, HELP and TYPE are skipped, escapes, NaN, ±Inf and
/// timestamps understood; the bound of a bucket (`le`) is a number or +Inf. Pure.
/// Errors: Invalid, naming the line number and the fault; Protocol over kMaxSamples.
[[nodiscard]] Result<std::vector<Sample>> parse_exposition(std::string_view text);

/// A number as the format writes it: Go's decimal notation, NaN, +Inf, -Inf;
/// not hexadecimal, no blanks, no locale.
[[nodiscard]] std::optional<double> parse_number(std::string_view text);

}  // namespace ei::metrics
