#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "operator/advice/feed.hpp"
#include "runtime/core/units.hpp"

namespace ei::advice {

/// What came in a second or so of a service, and what ran.
struct Span {
  std::uint32_t begin = 0;     ///< second of Unix time
  std::uint32_t requests = 0;  ///< that arrived
  std::uint32_t late = 0;      ///< answered after the latency target
  std::uint16_t tenths = 0;    ///< its length, in tenths of a second
  std::uint16_t workers = 0;   ///< that existed

  bool operator==(Span const&) const = default;
};

struct ServiceTime {
  double seconds = 0;  ///< the mean
  double cv2 = 0;      ///< squared coefficient of variation
};

/// The last hour of one service as it was measured, for a model to live through again. What nobody measured
/// is not in it. Pure.
class Hour {
 public:
  static constexpr std::int64_t kSeconds = 3'600;

  /// `sample` is the newest; empty while nobody can be asked. `workers` exist. Of the spans the newest `most`
  /// are kept, or fewer.
  void take(std::optional<scaling::Sample> const& sample, scaling::Settings const& settings, int workers,
            WallTime now, std::size_t most);

  /// Those that began within the last hour.
  [[nodiscard]] std::vector<Span> spans(WallTime now) const;
  /// Of the requests answered in the last minutes; empty before the first answer.
  [[nodiscard]] std::optional<ServiceTime> service() const;

 private:
  void add(Interval const& interval, int workers, WallTime now, std::size_t most);
  void learn(Interval const& interval);

  Meter meter_;
  std::deque<Span> spans_;
  // Of the span that is not yet a second long.
  double seconds_ = 0;
  double requests_ = 0;
  double late_ = 0;
  double carried_ = 0;  // seconds that rounding to tenths left over
  // Of answers, each with a weight that falls with its age.
  double weight_ = 0;
  double service_ = 0;
  double squares_ = 0;
};

/// Bytes of the hours of all services together: a sixteenth of the memory of the operator's pod.
inline constexpr std::size_t kMostHourBytes = std::size_t{8} << 20;

/// How many spans each of `services` hours may have. 145 services that get requests all the time have the
/// whole hour each; with more, each has less, at least a minute.
[[nodiscard]] std::size_t most_spans(std::size_t services);

}  // namespace ei::advice
