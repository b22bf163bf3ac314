#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/core/result.hpp"
#include "runtime/http/message.hpp"

namespace ei::http {

/// Fields of one message, its trailers included: Apache's LimitRequestFields; browsers send about twenty.
inline constexpr std::size_t kMaxFields = 100;

/// What one message may still spend on all that is not its body. Counted down as bytes arrive, so that it
/// holds however they are cut.
struct HeadBudget {
  std::size_t bytes = 0;
  std::size_t fields = kMaxFields;
};

/// A Protocol error with the status that a server answers it with.
[[nodiscard]] Error http_fault(int status, std::string detail);

/// RFC 9110's `tchar`: what names and methods are made of.
[[nodiscard]] bool is_token(std::string_view text);

/// Collects one line, which CR LF ends. A lone CR, a lone LF and other control characters but the tab are
/// faults: what one reader takes for a line's end and another does not is how requests are smuggled.
class LineReader {
 public:
  /// Takes bytes up to and with the line's end, all of `input` where that is not in it. Errors: 400, and 431
  /// once `budget` is spent.
  [[nodiscard]] Result<std::size_t> feed(std::string_view input, std::size_t& budget);
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] bool empty() const { return line_.empty(); }     ///< of more than an end
  [[nodiscard]] std::string_view line() const { return line_; }  ///< without its end
  void restart();

 private:
  std::string line_;
  bool cr_ = false;
  bool complete_ = false;
};

/// What to do with a field that goes on in the next line, after a blank (RFC 9112, section 5.2).
enum class Folding {
  Refuse,  ///< in requests: readers differ about it
  Join,    ///< in answers, as the RFC asks of clients
};

/// Reads fields up to and with the empty line after them.
class FieldReader {
 public:
  explicit FieldReader(Folding folding) : folding_(folding) {}

  /// As LineReader::feed, but takes as many lines as there are. Errors: 400, 431.
  [[nodiscard]] Result<std::size_t> feed(std::string_view input, HeadBudget& budget);
  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] Headers take() { return std::move(fields_); }

 private:
  Result<void> take_line(std::string_view line, HeadBudget& budget);
  void flush();

  Folding folding_;
  LineReader reader_;
  Headers fields_;
  Headers::Field last_;  // the newest, which may go on; its name is never empty
  bool done_ = false;
};

}  // namespace ei::http
