#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "runtime/async/event.hpp"
#include "runtime/http/client.hpp"
#include "runtime/log/throttle.hpp"
#include "runtime/trace/span.hpp"

namespace ei::trace {

// The numbers are those of OpenTelemetry's BatchSpanProcessor.
inline constexpr std::size_t kMostWaiting = 2048;
inline constexpr std::size_t kBatch = 512;
inline constexpr milliseconds kBatchDelay{5'000};
inline constexpr milliseconds kExportTimeout{10'000};

struct Collector {
  http::Url traces;
  http::Headers headers = {};  ///< of each request; may hold secrets, which no log line has
};

/// Sends spans to a collector by OTLP/HTTP with JSON, in batches, beside the requests that they tell of. At
/// most kMostWaiting wait behind the batch that is on its way; what does not fit, or what the collector does
/// not take in the end (see judge()), is dropped and counted. Use from the executor's thread only.
class Exporter {
 public:
  Exporter(asio::any_io_executor executor, Collector collector, Attributes resource);

  void offer(Span const& span);
  /// Sends until it is cancelled.
  [[nodiscard]] asio::awaitable<void> run();
  /// Sends what is left, once, for `timeout` at most; the rest is dropped. Not beside run().
  [[nodiscard]] asio::awaitable<void> flush(milliseconds timeout);

  [[nodiscard]] std::uint64_t exported() const { return exported_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  void fill_batch();
  asio::awaitable<std::optional<milliseconds>> send(milliseconds timeout);
  void report(std::size_t spans, std::string fault, std::optional<milliseconds> again);

  http::Client client_;
  Collector collector_;
  Attributes resource_;
  // As OTLP's text, which is written span by span: a whole batch at once would hold up the thread's requests.
  std::deque<std::string> waiting_;
  std::vector<std::string> batch_;  // on its way, or waiting to be sent again
  int attempts_ = 0;                // at that batch
  Event offered_;
  log::Throttle failures_;  // a collector that is away fails with every batch
  std::minstd_rand random_;
  std::uint64_t exported_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace ei::trace
