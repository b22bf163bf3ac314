#pragma once

#include "operator/backend/kube/client/client.hpp"
#include "operator/backend/kube/protocol/event_series.hpp"
#include "runtime/async/event.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <deque>
#include <optional>
#include <string>

namespace ei::kube {

/// Writes Events in the background: they are news, not state, and nothing waits for them.
class Recorder {
 public:
  /// `client` must outlive the recorder.
  Recorder(boost::asio::any_io_executor executor, Client& client, std::string instance);

  void record(Occurrence const& occurrence);

  /// Writes what was recorded until cancelled.
  boost::asio::awaitable<void> run();
  /// Writes what is left, within `timeout`.
  boost::asio::awaitable<void> drain(milliseconds timeout);

 private:
  void push(EventWrite write);
  boost::asio::awaitable<Result<void>> write_all();
  /// Empty when there is nothing more to be done about it (it was written, or never
  /// will be), else why not now.
  boost::asio::awaitable<std::optional<ErrorKind>> write(EventWrite const& next);

  Client& client_;
  EventSeries series_;
  std::deque<EventWrite> waiting_;
  Event wake_;
};

}  // namespace ei::kube
