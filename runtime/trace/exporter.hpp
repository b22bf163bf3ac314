#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>

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

/// Where `endpoint` names a collector (`http://collector:4318`), the URL of its traces. Errors: Invalid.
[[nodiscard]] Result<http::Url> traces_url(std::string_view endpoint);

/// Sends spans to a collector by OTLP/HTTP with JSON, in batches, beside the requests that they tell of. At
/// most kMostWaiting wait; what does not fit, or what the collector does not take, is dropped and counted.
/// Use from the executor's thread only.
class Exporter {
 public:
  Exporter(asio::any_io_executor executor, http::Url traces, Attributes resource);

  void offer(Span span);
  /// Sends until it is cancelled.
  [[nodiscard]] asio::awaitable<void> run();
  /// Sends what waits, for `timeout` at most; what is left then is dropped. Not beside run().
  [[nodiscard]] asio::awaitable<void> flush(milliseconds timeout);

  [[nodiscard]] std::uint64_t exported() const { return exported_; }
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  asio::awaitable<void> send(milliseconds timeout);

  http::Client client_;
  std::string target_;
  Attributes resource_;
  std::deque<Span> waiting_;
  Event offered_;
  log::Throttle failures_;  // a collector that is away fails with every batch
  std::uint64_t exported_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace ei::trace
