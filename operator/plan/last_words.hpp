#pragma once

#include <string>
#include <string_view>

namespace ei::plan {

/// Remembers what a process last complained about, for the message that tells of its end.
class LastWords {
 public:
  /// One line of its output: a JSON log line, or plain text from a library or the loader.
  void hear(std::string_view line);
  /// The last error (or plain text, where there was no error line); empty when it never complained.
  [[nodiscard]] std::string text() const { return error_.empty() ? plain_ : error_; }

 private:
  std::string error_;
  std::string plain_;
};

}  // namespace ei::plan
