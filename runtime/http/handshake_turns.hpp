#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "runtime/core/units.hpp"

namespace ei::http {

/// How much of a thread's time TLS handshakes may take.
struct HandshakeLimits {
  /// Of the thread's time, over any longer while. A handshake is 0.7 ms of work with an ECDSA key, 1.1 ms
  /// with RSA-2048 and 5.8 ms with RSA-4096: 730, 440 and 86 a second; the other half is left to requests.
  double share = 0.5;
  /// That handshakes may take at once after a quiet while: 70 clients that come back together with ECDSA.
  std::chrono::nanoseconds burst = std::chrono::milliseconds(50);
  /// For one step's turn. Go's clients give a handshake 10 s: who gets its turn last has time left for the
  /// network, and a queue that is longer than that would serve clients that have given up.
  milliseconds patience{5'000};
};

/// Who does the next step of a TLS handshake. The addresses come in turn, and of each address first the
/// handshakes that have begun, then the others, in the order in which they came. What the steps take is
/// counted, and the next one waits until it is within the share. Pure.
class HandshakeTurns {
 public:
  struct Ticket {
    std::string origin;  ///< whose connections count together
    bool begun = false;  ///< a later step, of which the dear one has been paid for
    std::uint64_t number = 0;
  };

  explicit HandshakeTurns(HandshakeLimits limits) : limits_(limits) {}

  [[nodiscard]] Ticket enter(std::string const& origin, bool begun);
  /// Takes one out of the line that does not want its turn any more.
  void leave(Ticket const& ticket);
  /// Takes the next one out of the line: its number. None where nobody waits, or before ready().
  [[nodiscard]] std::optional<std::uint64_t> next(SteadyTime now);
  /// Counts a step that ends now.
  void spend(std::chrono::nanoseconds taken, SteadyTime now);

  /// When the next step may begin; in the past where it may begin now.
  [[nodiscard]] SteadyTime ready() const { return ready_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_; }
  /// All that steps have taken.
  [[nodiscard]] std::chrono::nanoseconds spent() const { return spent_; }

 private:
  struct Line {
    std::set<std::uint64_t> begun;
    std::set<std::uint64_t> fresh;
  };

  HandshakeLimits limits_;
  std::map<std::string, Line> lines_;  // by origin; none is empty
  std::string last_;                   // the origin that had the last turn
  std::size_t waiting_ = 0;
  std::uint64_t numbers_ = 0;
  SteadyTime ready_{};
  std::chrono::nanoseconds spent_{};
};

}  // namespace ei::http
