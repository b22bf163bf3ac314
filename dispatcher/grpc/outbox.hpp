// Answers that gRPC has in its hands: how many bytes, and since when.
#pragma once

#include <cstddef>
#include <functional>
#include <list>

#include "runtime/core/units.hpp"

namespace ei::dispatcher::grpc_front {

/// What bounds messages on their way to clients.
struct OutboxLimits {
  std::size_t max_bytes = 0;
  std::size_t min_rate = 0;  ///< bytes a second, 0: none
  milliseconds grace{0};
};

/// gRPC keeps a message until its client's window takes it, and says nothing in between. So a message has the
/// grace and the time that its bytes need at the least rate; one that finds no room gets the place of the one
/// that has been waiting longest. Pure.
class Outbox {
 public:
  /// One message. `abort_call` ends its call; the message's bytes count no more from then on.
  struct Entry {
    std::size_t bytes = 0;
    SteadyTime deadline{};
    std::function<void()> abort_call;
  };
  using Place = std::list<Entry>::iterator;

  explicit Outbox(OutboxLimits limits) : limits_(limits) {}

  [[nodiscard]] Place add(std::size_t bytes, SteadyTime now, std::function<void()> abort_call) {
    // One message always has room.
    while (bytes_ + bytes > limits_.max_bytes && !entries_.empty()) abort(entries_.begin());
    SteadyTime deadline = SteadyTime::max();
    if (limits_.min_rate != 0) deadline = now + limits_.grace + milliseconds(bytes * 1000 / limits_.min_rate);
    bytes_ += bytes;
    return entries_.insert(entries_.end(), Entry{bytes, deadline, std::move(abort_call)});
  }
  /// It has left, or its call has ended.
  void remove(Place place) {
    bytes_ -= place->bytes;
    entries_.erase(place);
  }
  /// Calls its abort_call, which must leave `place` alone, and removes it.
  void abort(Place place) {
    auto const abort_call = std::move(place->abort_call);
    remove(place);
    abort_call();
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  OutboxLimits limits_;
  std::size_t bytes_ = 0;
  std::list<Entry> entries_;  // in the order in which they came
};

}  // namespace ei::dispatcher::grpc_front
