#pragma once

#include "runtime/core/result.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ei::kube {

/// Longest line of a watch stream that is read. etcd refuses objects above 1.5 MiB (`--max-request-bytes`);
/// the same object as JSON, with its bytes in base64 and the watch envelope, stays under twice that.
inline constexpr std::size_t kMaxLineBytes = 3U * 1024U * 1024U;

/// Cuts a stream of bytes into lines, wherever the chunks happen to end. Empty lines are skipped.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t max_line_bytes = kMaxLineBytes) : max_line_bytes_(max_line_bytes) {}

  /// Takes what arrived. Errors: Protocol once an unfinished line is longer than the
  /// cap; feed nothing after that.
  Result<void> feed(std::string_view chunk);

  /// The next whole line without its end, or nothing. The view holds until the next call of feed().
  std::optional<std::string_view> next();

  /// True when bytes of an unfinished line remain: a stream that ends now was cut.
  bool partial() const { return read_ < buffer_.size(); }

 private:
  std::size_t max_line_bytes_;
  std::string buffer_;
  std::size_t read_ = 0;     ///< start of the first line not handed out
  std::size_t scanned_ = 0;  ///< no newline lies in [read_, scanned_)
};

}  // namespace ei::kube
