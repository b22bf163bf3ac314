#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/http/head.hpp"

namespace ei::http {

/// Reads a body in the chunked coding (RFC 9112, section 7.1), through its trailers, which are checked and
/// dropped. The trailers spend what the message's head has left of its budget.
class ChunkedReader {
 public:
  explicit ChunkedReader(Folding folding) : folding_(folding), trailers_(folding) {}

  /// Takes all of `input`, or what belongs to the body; its data is appended to `body`, and `room` says how
  /// many bytes may still be. Errors: 400, 413 (a chunk is larger than `room`), 431 (trailers).
  [[nodiscard]] Result<std::size_t> feed(std::string_view input, std::string& body, std::uint64_t& room,
                                         HeadBudget& budget);
  [[nodiscard]] bool done() const { return state_ == State::Done; }

 private:
  enum class State { Size, Data, DataEnd, Trailers, Done };

  Result<std::size_t> step(std::string_view input, std::string& body, std::uint64_t& room,
                           HeadBudget& budget);
  Result<std::size_t> feed_size(std::string_view input, std::uint64_t room);
  Result<void> take_size(std::string_view line, std::uint64_t room);

  Folding folding_;
  State state_ = State::Size;
  LineReader reader_;
  std::size_t line_budget_ = kMaxSizeLine;
  std::uint64_t left_ = 0;    // of the chunk's data
  std::uint64_t excess_ = 0;  // bytes of size lines beyond what the data justifies
  FieldReader trailers_;

  // One size line with its extensions; the longest that is in use, a signed chunk's, has about 100.
  static constexpr std::size_t kMaxSizeLine = 4096;
};

}  // namespace ei::http
