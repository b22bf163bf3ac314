#include "inference/checkpoint/tar.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace ei::inference {
namespace {

using Bytes = std::span<const std::byte>;

// POSIX.1-1988 ustar: where the fields of a header lie.
constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameSize = 100;
constexpr std::size_t kSizeAt = 124;
constexpr std::size_t kSizeSize = 12;
constexpr std::size_t kChecksumAt = 148;
constexpr std::size_t kChecksumSize = 8;
constexpr std::size_t kTypeAt = 156;
/// PyTorch's have four.
constexpr std::size_t kMaxFiles = 1024;

Error broken(std::string what) {
  return make_error(ErrorKind::Invalid, "tar: " + std::move(what));
}

std::optional<std::uint64_t> octal(Bytes field) {
  std::uint64_t value = 0;
  bool any = false;
  for (auto const byte : field) {
    char const c = std::to_integer<char>(byte);
    if (c == ' ' && !any) continue;
    if (c == ' ' || c == '\0') break;
    if (c < '0' || c > '7') return {};
    value = value * 8 + static_cast<std::uint64_t>(c - '0');
    any = true;
  }
  if (!any) return {};
  return value;
}

/// The sum of the header's bytes, its own field counted as spaces.
bool has_right_checksum(Bytes header) {
  auto const stated = octal(header.subspan(kChecksumAt, kChecksumSize));
  if (!stated) return false;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    bool const own = i >= kChecksumAt && i < kChecksumAt + kChecksumSize;
    sum += own ? ' ' : std::to_integer<std::uint64_t>(header[i]);
  }
  return sum == *stated;
}

std::string name_of(Bytes header) {
  std::string_view const field(reinterpret_cast<char const*>(header.data()), kNameSize);
  auto name = field.substr(0, field.find('\0'));
  if (name.starts_with("./")) name.remove_prefix(2);
  return std::string(name);
}

}  // namespace

bool is_tar(Bytes file) {
  return file.size() >= kBlock && has_right_checksum(file.first(kBlock));
}

Result<std::map<std::string, Bytes>> read_tar(Bytes file) {
  std::map<std::string, Bytes> files;
  std::size_t at = 0;
  while (at + kBlock <= file.size()) {
    auto const header = file.subspan(at, kBlock);
    if (header.front() == std::byte{0}) break;  // the end: blocks of zeros
    if (!has_right_checksum(header))
      return broken("a header's checksum is wrong (at byte " + std::to_string(at) + ")");
    auto const size = octal(header.subspan(kSizeAt, kSizeSize));
    at += kBlock;
    if (!size) return broken("a file without a size");
    if (*size > file.size() - at) return broken(name_of(header) + " reaches beyond the file (truncated?)");
    char const type = std::to_integer<char>(header[kTypeAt]);
    if (type == '0' || type == '\0') {
      if (files.size() == kMaxFiles) return broken("more than 1,024 files");
      auto const name = name_of(header);
      if (!files.emplace(name, file.subspan(at, *size)).second) return broken("two files are called " + name);
    }
    auto const padded = (*size + kBlock - 1) / kBlock * kBlock;
    if (padded > file.size() - at) break;
    at += padded;
  }
  return files;
}

}  // namespace ei::inference
