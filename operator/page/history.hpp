#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace ei::page {

/// Of the answers of the last seconds, in ms.
struct Latency {
  std::uint32_t p50 = 0;
  std::uint32_t p99 = 0;

  bool operator==(Latency const&) const = default;
};

/// What the charts show of one second.
struct Sample {
  float arrival_rps = 0;
  std::uint32_t queue = 0;         ///< requests that wait
  std::uint32_t in_flight = 0;     ///< requests at workers
  std::optional<Latency> latency;  ///< none while nothing is answered
  std::uint16_t ready = 0;         ///< workers
  std::uint16_t starting = 0;      ///< workers
  std::uint16_t leaving = 0;       ///< workers
  std::uint16_t desired = 0;       ///< workers

  bool operator==(Sample const&) const = default;
};

/// A sample and the second from which it holds, of Unix time.
struct Since {
  std::int64_t second = 0;
  Sample sample;

  bool operator==(Since const&) const = default;
};

/// Ten minutes: what a person still remembers of a burst, and one screen of a chart.
inline constexpr std::int64_t kWindowSeconds = 600;

/// The last ten minutes of one service. Only what changes from second to second is kept, so that a service
/// where nothing happens costs one entry. Pure.
class History {
 public:
  /// The newest of a second replaces the others of that second. A second before the newest is passed over:
  /// the clock was set back. Keeps at most `most` entries, the newest.
  void add(std::int64_t second, Sample const& sample, std::size_t most);

  /// What changed at `second` or later, after one entry at `second` itself for what held then.
  [[nodiscard]] std::vector<Since> since(std::int64_t second) const;
  [[nodiscard]] std::size_t entries() const { return changes_.size(); }

 private:
  std::deque<Since> changes_;
};

/// Bytes of the histories of all services together: an eighth of the memory of the operator's pod.
inline constexpr std::size_t kMostHistoryBytes = std::size_t{16} << 20;

/// How many entries each of `services` histories may have. 700 services of which every second differs have
/// all ten minutes. With more services their charts become shorter; a minute is always there.
[[nodiscard]] std::size_t most_entries(std::size_t services);

}  // namespace ei::page
