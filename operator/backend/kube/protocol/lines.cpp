#include "operator/backend/kube/protocol/lines.hpp"

#include <algorithm>

namespace ei::kube {

Result<void> LineSplitter::feed(std::string_view chunk) {
  buffer_.erase(0, read_);
  scanned_ -= read_;
  read_ = 0;
  // One large object must not keep its space for the hours that a watch lives.
  constexpr std::size_t kKeptBytes = 64U * 1024U;
  if (buffer_.empty() && buffer_.capacity() > kKeptBytes) buffer_.shrink_to_fit();
  buffer_.append(chunk);
  // Every line of the chunk, not the first alone: how long a line may be must not depend on where chunks end.
  for (std::size_t begin = 0, from = scanned_; begin < buffer_.size();) {
    auto const end = std::min(buffer_.find('\n', from), buffer_.size());
    if (end - begin > max_line_bytes_) {
      return make_error(ErrorKind::Protocol,
                        "watch line longer than " + std::to_string(max_line_bytes_) + " bytes");
    }
    begin = from = end + 1;
  }
  return {};
}

std::optional<std::string_view> LineSplitter::next() {
  while (true) {
    auto const end = buffer_.find('\n', scanned_);
    if (end == std::string::npos) {
      scanned_ = buffer_.size();
      return std::nullopt;
    }
    auto line = std::string_view(buffer_).substr(read_, end - read_);
    read_ = scanned_ = end + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) return line;
  }
}

}  // namespace ei::kube
